/* One forward pass over tokens of several sequences, laid out flat: row after row, no padding.
 *
 * Rows meet only inside `linear_run`, which computes each by itself, and in attention with their own sequence's
 * past. So what a row gives never depends on the other rows of the call.
 */
#include "nbc.h"
#include "simd.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
    linear qkv, o, gate_up, down;
    const float *norm1, *norm2, *query_norm, *key_norm;
} layer;

typedef struct {
    int hidden, layers, heads, kv_heads, dim, inner, vocab;
    float epsilon;
    const uint16_t *embed;
    const float *norm, *cosine, *sine; /* tables [positions][dim/2] */
    int positions;
    const layer *parts;
    linear head;
} model;

/* Rows first .. first+count-1 are a sequence's tokens from position `start`. Its caches: one after the other, layer
 * by layer, `kv_heads * capacity * dim` halves each. */
typedef struct {
    uint16_t *keys, *values;
    int capacity, start, first, count;
} segment;

typedef struct {
    const model *m;
    const layer *l;
    const segment *segments;
    const int *ids, *wanted, *owner; /* owner: the segment of every row */
    int number, rows, segment_count;
    float *hidden, *qkv, *mixed, *inner;
    bytes narrow, wide, heads; /* quantised inputs of width hidden, inner, heads * dim */
} pass;

enum { ROWS_PER_PIECE = 8 };

static int pieces(int rows) { return (rows + ROWS_PER_PIECE - 1) / ROWS_PER_PIECE; }

static float mean_square(const float *x, int width) {
    vf sum = vf_zero();
    for (int i = 0; i < width; i += LANES) sum = vf_fma(vf_load(x + i), vf_load(x + i), sum);
    return vf_sum(sum) / (float)width;
}

static void normalize(const float *x, const float *weight, int width, float epsilon, float *out) {
    vf factor = vf_set(1.0f / sqrtf(mean_square(x, width) + epsilon));
    for (int i = 0; i < width; i += LANES) vf_store(out + i, vf_mul(vf_mul(vf_load(x + i), factor), vf_load(weight + i)));
}

/* For each of the rows of a piece: body, with `row` set. */
#define EACH_ROW(p, number) \
    for (int row = (number) * ROWS_PER_PIECE; row < (p)->rows && row < ((number) + 1) * ROWS_PER_PIECE; row++)

static void look_up(void *context, int number) {
    const pass *p = context;
    const int width = p->m->hidden;
    EACH_ROW(p, number) {
        const uint16_t *from = p->m->embed + (size_t)p->ids[row] * width;
        for (int i = 0; i < width; i += LANES) vf_store(p->hidden + (size_t)row * width + i, vf_halves(from + i));
    }
}

/* The rows that `from` names (NULL: all), normalised and rounded; `inner` serves as scratch. */
static void narrow_input(const pass *p, int number, const float *norm, const int *from) {
    const int width = p->m->hidden;
    EACH_ROW(p, number) {
        float *out = p->inner + (size_t)row * 2 * p->m->inner;
        normalize(p->hidden + (size_t)(from ? from[row] : row) * width, norm, width, p->m->epsilon, out);
        quantize_row(out, (bytes *)&p->narrow, row);
    }
}

static void before_attention(void *context, int number) {
    narrow_input(context, number, ((const pass *)context)->l->norm1, NULL);
}

static void before_mlp(void *context, int number) {
    narrow_input(context, number, ((const pass *)context)->l->norm2, NULL);
}

static void before_head(void *context, int number) {
    const pass *p = context;
    narrow_input(p, number, p->m->norm, p->wanted);
}

static void rotate(float *x, const float *cosine, const float *sine, int half) {
    for (int i = 0; i < half; i += LANES) {
        vf a = vf_load(x + i), b = vf_load(x + half + i), c = vf_load(cosine + i), s = vf_load(sine + i);
        vf_store(x + i, vf_sub(vf_mul(a, c), vf_mul(b, s)));
        vf_store(x + half + i, vf_add(vf_mul(b, c), vf_mul(a, s)));
    }
}

static layer_cache cache_of(const pass *p, const segment *s) {
    size_t each = (size_t)p->m->kv_heads * s->capacity * p->m->dim;
    return (layer_cache){s->keys + p->number * each, s->values + p->number * each, s->capacity};
}

static void after_qkv(void *context, int number) {
    const pass *p = context;
    const model *m = p->m;
    EACH_ROW(p, number) {
        const segment *s = p->segments + p->owner[row];
        const int position = s->start + row - s->first, half = m->dim / 2;
        const float *cosine = m->cosine + (size_t)position * half, *sine = m->sine + (size_t)position * half;
        float *x = p->qkv + (size_t)row * p->l->qkv.n;
        for (int head = 0; head < m->heads + m->kv_heads; head++) {
            float *own = x + head * m->dim;
            const float *norm = head < m->heads ? p->l->query_norm : p->l->key_norm;
            if (norm) normalize(own, norm, m->dim, m->epsilon, own);
            rotate(own, cosine, sine, half);
        }
        layer_cache c = cache_of(p, s);
        const float *keys = x + m->heads * m->dim, *values = keys + m->kv_heads * m->dim;
        for (int head = 0; head < m->kv_heads; head++)
            cache_put(&c, head, position, m->dim, keys + head * m->dim, values + head * m->dim);
    }
}

/* Piece: one key head of up to TOKENS tokens of one segment. */
enum { TOKENS = 8 };

static void attention(void *context, int number) {
    const pass *p = context;
    const model *m = p->m;
    int head = number % m->kv_heads, part = number / m->kv_heads, groups = m->heads / m->kv_heads;
    const segment *s = p->segments;
    while (part >= (s->count + TOKENS - 1) / TOKENS) part -= (s++->count + TOKENS - 1) / TOKENS;
    int begin = part * TOKENS, count = s->count - begin < TOKENS ? s->count - begin : TOKENS;
    layer_cache c = cache_of(p, s);
    const float *queries = p->qkv + (size_t)(s->first + begin) * p->l->qkv.n + (size_t)head * groups * m->dim;
    float *out = p->mixed + ((size_t)(s->first + begin) * m->heads + (size_t)head * groups) * m->dim;
    attend(&c, head, groups, m->dim, s->start + begin, count, queries, p->l->qkv.n, out, m->heads * m->dim);
}

static void after_attention(void *context, int number) {
    const pass *p = context;
    const int width = p->m->heads * p->m->dim;
    EACH_ROW(p, number) quantize_row(p->mixed + (size_t)row * width, (bytes *)&p->heads, row);
}

/* silu(gate) * up */
static void after_gate(void *context, int number) {
    const pass *p = context;
    const int width = p->m->inner;
    EACH_ROW(p, number) {
        float *gate = p->inner + (size_t)row * 2 * width;
        for (int i = 0; i < width; i += LANES) {
            vf x = vf_load(gate + i);
            vf e = vf_exp(vf_sub(vf_zero(), vf_max(x, vf_set(-80.0f))));
            vf s = vf_div(vf_set(1.0f), vf_add(vf_set(1.0f), e));
            vf_store(gate + i, vf_mul(vf_mul(x, s), vf_load(gate + width + i)));
        }
        quantize_row(gate, (bytes *)&p->wide, row);
    }
}

static void one_layer(pool *threads, pass *p) {
    const model *m = p->m;
    int parts = 0, rows = pieces(p->rows);
    for (int i = 0; i < p->segment_count; i++) parts += (p->segments[i].count + TOKENS - 1) / TOKENS;
    pool_run(threads, before_attention, p, rows);
    linear_run(threads, &p->l->qkv, &p->narrow, p->rows, p->qkv, 0);
    pool_run(threads, after_qkv, p, rows);
    pool_run(threads, attention, p, parts * m->kv_heads);
    pool_run(threads, after_attention, p, rows);
    linear_run(threads, &p->l->o, &p->heads, p->rows, p->hidden, 1);
    pool_run(threads, before_mlp, p, rows);
    linear_run(threads, &p->l->gate_up, &p->narrow, p->rows, p->inner, 0);
    pool_run(threads, after_gate, p, rows);
    linear_run(threads, &p->l->down, &p->wide, p->rows, p->hidden, 1);
}

static int new_bytes(bytes *b, int rows, int k, int group) {
    size_t parts = (size_t)rows * (k / 32);
    *b = (bytes){malloc((size_t)rows * k), malloc(parts * sizeof(float)), malloc(parts * sizeof(int)), k, group};
    return b->values && b->scales && b->sums;
}

static void free_bytes(bytes *b) {
    free(b->values);
    free(b->scales);
    free(b->sums);
}

/* The widths that the buffers and vectors of a pass are made for. Python has held the file against them (layout.py);
 * these are the last words before memory is written. */
static int linear_fits(const linear *l, int n, int k, int group) {
    return l->w && l->scale && l->n == n && l->k == k && n % 16 == 0 && l->group == group && group > 0 &&
           group % 32 == 0 && k % group == 0 && (l->bits == 8 || (l->bits == 4 && l->lowest));
}

static int model_fits(const model *m) {
    const int mixed = m->heads * m->dim, keys = m->kv_heads * m->dim;
    if (m->hidden < 1 || m->inner < 1 || m->layers < 1 || m->kv_heads < 1 || m->heads % m->kv_heads) return 0;
    if (m->dim < 32 || m->dim > MAX_DIM || m->dim % 32 || 2 * m->inner < m->hidden || !m->embed || !m->norm) return 0;
    const int narrow = m->parts->qkv.group, wide = m->parts->down.group, heads = m->parts->o.group;
    for (const layer *l = m->parts; l < m->parts + m->layers; l++) {
        if (!l->norm1 || !l->norm2 || !linear_fits(&l->qkv, mixed + 2 * keys, m->hidden, narrow) ||
            !linear_fits(&l->o, m->hidden, mixed, heads) || !linear_fits(&l->gate_up, 2 * m->inner, m->hidden, narrow) ||
            !linear_fits(&l->down, m->hidden, m->inner, wide))
            return 0;
    }
    return m->head.n > 0 && m->head.n <= (m->vocab + 15) / 16 * 16 && linear_fits(&m->head, m->head.n, m->hidden, narrow);
}

static int rows_fit(const pass *p, int wanted_count) {
    for (int i = 0; i < p->segment_count; i++) {
        const segment *s = p->segments + i;
        if (s->first < 0 || s->count < 1 || s->count > p->rows - s->first || s->start < 0 || s->capacity % 16 ||
            s->count > s->capacity - s->start || s->count > p->m->positions - s->start)
            return 0;
    }
    for (int row = 0; row < p->rows; row++) {
        const int own = p->owner[row];
        if (own < 0 || own >= p->segment_count || p->ids[row] < 0 || p->ids[row] >= p->m->vocab) return 0;
        if (row < p->segments[own].first || row - p->segments[own].first >= p->segments[own].count) return 0;
    }
    for (int i = 0; i < wanted_count; i++)
        if (p->wanted[i] < 0 || p->wanted[i] >= p->rows) return 0;
    return wanted_count <= p->rows;
}

enum { DONE, NO_MEMORY, UNFIT };

/* Compute `rows` tokens; logits [wanted_count][head.n] of the rows in `wanted`. DONE, NO_MEMORY, or UNFIT where sizes
 * do not fit together: then nothing was computed. */
int nbc_forward(const model *m, pool *threads, int rows, const int *ids, const int *owner, int segment_count,
                const segment *segments, int wanted_count, const int *wanted, float *logits) {
    const layer *l = m->parts;
    pass p = {.m = m, .l = l, .segments = segments, .ids = ids, .wanted = wanted, .owner = owner, .rows = rows};
    p.segment_count = segment_count;
    if (!model_fits(m) || !rows_fit(&p, wanted_count)) return UNFIT;
    p.hidden = malloc((size_t)rows * m->hidden * sizeof(float));
    p.qkv = malloc((size_t)rows * l->qkv.n * sizeof(float));
    p.mixed = malloc((size_t)rows * m->heads * m->dim * sizeof(float));
    p.inner = malloc((size_t)rows * 2 * m->inner * sizeof(float));
    int there = new_bytes(&p.narrow, rows, m->hidden, l->qkv.group);
    there &= new_bytes(&p.wide, rows, m->inner, l->down.group);
    there &= new_bytes(&p.heads, rows, m->heads * m->dim, l->o.group);
    there = there && p.hidden && p.qkv && p.mixed && p.inner;
    if (there) {
        pool_run(threads, look_up, &p, pieces(rows));
        for (p.number = 0; p.number < m->layers; p.number++) {
            p.l = m->parts + p.number;
            one_layer(threads, &p);
        }
        p.rows = wanted_count;
        pool_run(threads, before_head, &p, pieces(wanted_count));
        linear_run(threads, &m->head, &p.narrow, wanted_count, logits, 0);
    }
    free(p.hidden);
    free(p.qkv);
    free(p.mixed);
    free(p.inner);
    free_bytes(&p.narrow);
    free_bytes(&p.wide);
    free_bytes(&p.heads);
    return there ? DONE : NO_MEMORY;
}

const char *nbc_isa(void) { return ISA; }
