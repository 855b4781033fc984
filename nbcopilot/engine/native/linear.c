/* Rows of bytes times a matrix of bytes, summed exactly in integers within a group, in float32 over the groups.
 *
 * Each output of each row is computed by the same operations in the same order whatever the number of rows, so
 * one row alone gives the very bits that it gives among 256.
 */
#include "nbc.h"
#include "simd.h"

/* Outputs lie in blocks of 16, PARTS vectors each. A tile is ROWS rows by WIDE vectors, as many sums as the registers
 * hold (measured: 4 x 2 is faster than 8 x 1 and 6 x 2). A piece of work stays in the second-level cache. */
enum { BLOCK = 16, PARTS = BLOCK / LANES, ROWS = 4, WIDE = 2, PIECE_BYTES = 96 * 1024, SECOND_LEVEL = 2 };

void quantize_row(const float *x, bytes *out, int row) {
    int8_t *values = out->values + (size_t)row * out->k;
    float *scales = out->scales + (size_t)row * (out->k / 32);
    int *sums = out->sums + (size_t)row * (out->k / 32);
    for (int at = 0; at < out->k; at += out->group) {
        vf peak = vf_zero();
        for (int i = at; i < at + out->group; i += LANES) peak = vf_max(peak, vf_abs(vf_load(x + i)));
        float top = vf_peak(peak);
        vf inverse = vf_set(top > 0 ? 127.0f / top : 0.0f);
        for (int part = at; part < at + out->group; part += 32) {
            vi sum = vi_zero();
            for (int i = part; i < part + 32; i += LANES) {
                /* NaN and infinity become bytes too (max and min give their second operand for NaN). */
                vf steps = vf_min(vf_max(vf_mul(vf_load(x + i), inverse), vf_set(-127.0f)), vf_set(127.0f));
                vi v = vf_round(steps);
                sum = vi_add(sum, v);
                vi_store_bytes(values + i, v);
            }
            scales[part / 32] = top / 127.0f;
            sums[part / 32] = vi_sum(sum);
        }
    }
}

INLINE int word_at(const int8_t *p) {
    int word;
    memcpy(&word, p, 4);
    return word;
}

typedef struct {
    const linear *l;
    const bytes *x;
    float *y;
    int rows, add, vectors; /* vectors of outputs in a piece */
    size_t ahead;           /* from here to the weights of the piece that this thread will probably take next */
} task;

/* Sums of `rows` rows (from `row`) for the outputs of `wide` vectors from vector `v` on; 8-bit weights.
 * A block of 16 outputs is PARTS vectors. */
INLINE void sum8(const task *t, int v, int row, vf out[][WIDE], const int rows, const int wide, const int fetch) {
    const int k = t->l->k, group = t->l->group;
    const uint8_t *w[WIDE];
    const float *scale[WIDE];
    for (int p = 0; p < wide; p++) {
        w[p] = t->l->w + (size_t)((v + p) / PARTS) * BLOCK * k + (v + p) % PARTS * LANES * 4;
        scale[p] = (const float *)t->l->scale + (size_t)((v + p) / PARTS) * BLOCK * (k / group) + (v + p) % PARTS * LANES;
    }
    const int8_t *x = t->x->values + (size_t)row * k;
    const float *xs = t->x->scales + (size_t)row * (k / 32);
    const int *sums = t->x->sums + (size_t)row * (k / 32);
    for (int at = 0, g = 0; at < k; at += group, g += BLOCK) {
        vi acc[ROWS][WIDE];
        for (int m = 0; m < rows; m++) {
            int sum = 0;
            for (int i = at / 32; i < (at + group) / 32; i++) sum += sums[m * (k / 32) + i];
            for (int p = 0; p < wide; p++) acc[m][p] = vi_start(sum);
        }
        for (int i = at; i < at + group; i += 4) {
            vi weights[WIDE];
            for (int p = 0; p < wide; p++) {
                weights[p] = vi_weights(w[p] + (size_t)i * BLOCK);
                if (fetch) __builtin_prefetch(w[p] + t->ahead + (size_t)i * BLOCK, 0, SECOND_LEVEL);
            }
            for (int m = 0; m < rows; m++) {
                input in = vi_input(word_at(x + (size_t)m * k + i));
                for (int p = 0; p < wide; p++) acc[m][p] = vi_dot(acc[m][p], weights[p], in);
            }
        }
        for (int m = 0; m < rows; m++) {
            vf own = vf_set(xs[m * (k / 32) + at / 32]);
            for (int p = 0; p < wide; p++)
                out[m][p] = vf_fma(vf_from_int(acc[m][p]), vf_mul(vf_load(scale[p] + g), own), out[m][p]);
        }
    }
}

/* The same for 4-bit weights. */
INLINE void sum4(const task *t, int v, int row, vf out[][WIDE], const int rows, const int wide, const int fetch) {
    const int k = t->l->k;
    const int8_t *x = t->x->values + (size_t)row * k;
    const float *xs = t->x->scales + (size_t)row * (k / 32);
    const int *sums = t->x->sums + (size_t)row * (k / 32);
    const uint8_t *w[WIDE];
    const uint16_t *scale[WIDE], *lowest[WIDE];
    for (int p = 0; p < wide; p++) {
        const size_t block = (size_t)((v + p) / PARTS) * BLOCK * k, part = (v + p) % PARTS * LANES;
        w[p] = t->l->w + block / 2 + part * 4;
        scale[p] = (const uint16_t *)t->l->scale + block / 32 + part;
        lowest[p] = t->l->lowest + block / 32 + part;
    }
    for (int g = 0; g < k / 32; g++) {
        vi acc[ROWS][WIDE];
        for (int m = 0; m < rows; m++)
            for (int p = 0; p < wide; p++) acc[m][p] = vi_zero();
        for (int i = 0; i < 4; i++) {
            vi low[WIDE], high[WIDE];
            for (int p = 0; p < wide; p++) {
                const uint8_t *from = w[p] + (size_t)(g * 4 + i) * BLOCK * 4;
                vi weights = vi_load(from);
                if (fetch) __builtin_prefetch(from + t->ahead, 0, SECOND_LEVEL);
                low[p] = vi_low4(weights);
                high[p] = vi_high4(weights);
            }
            for (int m = 0; m < rows; m++) {
                const int8_t *own = x + (size_t)m * k + g * 32 + i * 4;
                input first = vi_input(word_at(own)), second = vi_input(word_at(own + 16));
                for (int p = 0; p < wide; p++) acc[m][p] = vi_dot4(vi_dot4(acc[m][p], low[p], first), high[p], second);
            }
        }
        for (int p = 0; p < wide; p++) {
            vf s = vf_halves(scale[p] + g * BLOCK), z = vf_halves(lowest[p] + g * BLOCK);
            for (int m = 0; m < rows; m++) {
                const int at = m * (k / 32) + g;
                vf value = vf_sub(vf_mul(vf_from_int(acc[m][p]), s), vf_mul(vf_set((float)sums[at]), z));
                out[m][p] = vf_fma(value, vf_set(xs[at]), out[m][p]);
            }
        }
    }
    for (int m = 0; m < rows; m++)
        for (int p = 0; p < wide; p++) out[m][p] = vf_mul(out[m][p], vf_set(t->l->factor));
}

INLINE void tile(const task *t, int v, int row, const int rows, const int wide, const int fetch) {
    vf sums[ROWS][WIDE];
    for (int m = 0; m < rows; m++)
        for (int p = 0; p < wide; p++) sums[m][p] = vf_zero();
    if (t->l->bits == 8) sum8(t, v, row, sums, rows, wide, fetch);
    else sum4(t, v, row, sums, rows, wide, fetch);
    for (int p = 0; p < wide; p++) {
        const int at = (v + p) * LANES;
        vf bias = t->l->bias ? vf_load(t->l->bias + at) : vf_zero();
        for (int m = 0; m < rows; m++) {
            float *y = t->y + (size_t)(row + m) * t->l->n + at;
            vf value = vf_add(sums[m][p], bias);
            vf_store(y, t->add ? vf_add(vf_load(y), value) : value);
        }
    }
}

/* Vectors first .. last-1 of outputs of up to ROWS rows. With the last rows the weights of the next piece are fetched:
 * memory is read while the products are summed (1.5b, 1 to 12 rows, two threads: 5 to 8 % less time). */
INLINE void columns(const task *t, int first, int last, int row, const int rows, const int fetch) {
    int v = first;
    for (; v + WIDE <= last; v += WIDE) tile(t, v, row, rows, WIDE, fetch);
    for (; v < last; v++) tile(t, v, row, rows, 1, fetch);
}

static void piece_of(void *context, int number) {
    const task *t = context;
    int first = number * t->vectors, last = first + t->vectors;
    if (last > t->l->n / LANES) last = t->l->n / LANES;
    for (int row = 0; row < t->rows; row += ROWS) {
        switch (t->rows - row) {
            case 1: columns(t, first, last, row, 1, 1); break;
            case 2: columns(t, first, last, row, 2, 1); break;
            case 3: columns(t, first, last, row, 3, 1); break;
            case ROWS: columns(t, first, last, row, ROWS, 1); break;
            default: columns(t, first, last, row, ROWS, 0);
        }
    }
}

void linear_run(pool *p, const linear *l, const bytes *x, int rows, float *y, int add) {
    int all = l->n / LANES, vector_bytes = LANES * l->k * l->bits / 8;
    int each = PIECE_BYTES / vector_bytes / WIDE * WIDE;
    if (each < WIDE) each = WIDE;
    task t = {l, x, y, rows, add, each, (size_t)each * vector_bytes * pool_threads(p)};
    pool_run(p, piece_of, &t, (all + each - 1) / each);
}
