/* Queries of one sequence against its keys and values, block by block, with a running maximum.
 *
 * Every (token, head) pair goes through the same blocks in the same order, whoever is computed beside it.
 * Softmax in blocks after Milakov and Gimelshein 2018, arXiv:1805.02867.
 */
#include "nbc.h"
#include "simd.h"

#include <math.h>

enum { KEYS = 16, WINDOW = 128, QUERIES = 8, PASS = LANES == 16 ? 4 : 2 };

void cache_put(const layer_cache *c, int head, int position, int dim, const float *key, const float *value) {
    uint16_t half[LANES];
    uint16_t *k = c->keys + (size_t)head * c->capacity * dim + (size_t)(position / KEYS) * KEYS * dim + position % KEYS;
    uint16_t *v = c->values + ((size_t)head * c->capacity + position) * dim;
    for (int d = 0; d < dim; d += LANES) {
        vf_store_halves(half, vf_load(key + d));
        for (int i = 0; i < LANES; i++) k[(size_t)(d + i) * KEYS] = half[i];
        vf_store_halves(v + d, vf_load(value + d));
    }
}

typedef struct {
    const float *query;
    float *out;
    int position;
    float peak, sum;
    float scores[WINDOW];
    float mixed[MAX_DIM];
} pair;

/* scores[..] of `count` pairs for the 16 keys of a block */
INLINE void score(const uint16_t *keys, int dim, pair *q, int at, const int count) {
    for (int part = 0; part < KEYS / LANES; part++) {
        vf sums[QUERIES];
        for (int i = 0; i < count; i++) sums[i] = vf_zero();
        for (int d = 0; d < dim; d++) {
            vf k = vf_halves(keys + d * KEYS + part * LANES);
            for (int i = 0; i < count; i++) sums[i] = vf_fma(vf_set(q[i].query[d]), k, sums[i]);
        }
        for (int i = 0; i < count; i++) vf_store(q[i].scores + at + part * LANES, sums[i]);
    }
}

/* Scores of one window become weights; what was summed before is scaled to the new maximum. */
INLINE void weigh(pair *q, int first, int width, float scale, int dim) {
    vf peak = vf_set(q->peak);
    for (int i = 0; i < width; i += LANES) {
        vf s = vf_keep_until(vf_mul(vf_load(q->scores + i), vf_set(scale)), first + i, q->position, -INFINITY);
        vf_store(q->scores + i, s);
        peak = vf_max(peak, s);
    }
    float top = vf_peak(peak);
    vf sum = vf_zero();
    for (int i = 0; i < width; i += LANES) {
        vf w = vf_keep_until(vf_exp(vf_sub(vf_load(q->scores + i), vf_set(top))), first + i, q->position, 0.0f);
        vf_store(q->scores + i, w);
        sum = vf_add(sum, w);
    }
    if (top > q->peak) {
        float one[LANES];
        vf_store(one, vf_exp(vf_set(q->peak - top)));
        q->sum *= one[0];
        for (int d = 0; d < dim; d += LANES) vf_store(q->mixed + d, vf_mul(vf_load(q->mixed + d), vf_set(one[0])));
        q->peak = top;
    }
    q->sum += vf_sum(sum);
}

/* mixed += weights * values, for PASS pairs at a time and 4 vectors of the head's dimension */
INLINE void mix(const uint16_t *values, int dim, int width, pair *q, const int count) {
    for (int d = 0; d < dim; d += 4 * LANES) {
        const int vectors = (dim - d) / LANES < 4 ? (dim - d) / LANES : 4;
        vf sums[PASS][4];
        for (int i = 0; i < count; i++)
            for (int v = 0; v < vectors; v++) sums[i][v] = vf_load(q[i].mixed + d + v * LANES);
        for (int j = 0; j < width; j++) {
            for (int v = 0; v < vectors; v++) {
                vf value = vf_halves(values + (size_t)j * dim + d + v * LANES);
                for (int i = 0; i < count; i++) sums[i][v] = vf_fma(vf_set(q[i].scores[j]), value, sums[i][v]);
            }
        }
        for (int i = 0; i < count; i++)
            for (int v = 0; v < vectors; v++) vf_store(q[i].mixed + d + v * LANES, sums[i][v]);
    }
}

static void tile(const layer_cache *c, int head, int dim, pair *q, int count) {
    const uint16_t *keys = c->keys + (size_t)head * c->capacity * dim;
    const uint16_t *values = c->values + (size_t)head * c->capacity * dim;
    const float scale = 1.0f / sqrtf((float)dim);
    const int last = q[count - 1].position;
    for (int first = 0; first <= last; first += WINDOW) {
        int width = last - first + 1 < WINDOW ? last - first + 1 : WINDOW;
        int padded = (width + KEYS - 1) / KEYS * KEYS;
        for (int at = 0; at < padded; at += KEYS) {
            const uint16_t *block = keys + (size_t)(first + at) * dim;
            switch (count) {
                case 1: score(block, dim, q, at, 1); break;
                case 2: score(block, dim, q, at, 2); break;
                case 3: score(block, dim, q, at, 3); break;
                case 4: score(block, dim, q, at, 4); break;
                case 5: score(block, dim, q, at, 5); break;
                case 6: score(block, dim, q, at, 6); break;
                case 7: score(block, dim, q, at, 7); break;
                default: score(block, dim, q, at, QUERIES);
            }
        }
        for (int i = 0; i < count; i++) weigh(q + i, first, padded, scale, dim);
        int i = 0;
        for (; i + PASS <= count; i += PASS) mix(values + (size_t)first * dim, dim, width, q + i, PASS);
        for (; i < count; i++) mix(values + (size_t)first * dim, dim, width, q + i, 1);
    }
    for (int i = 0; i < count; i++) {
        vf inverse = vf_set(1.0f / q[i].sum);
        for (int d = 0; d < dim; d += LANES) vf_store(q[i].out + d, vf_mul(vf_load(q[i].mixed + d), inverse));
    }
}

void attend(const layer_cache *c, int head, int groups, int dim, int start, int count, const float *queries,
            int query_stride, float *out, int out_stride) {
    pair q[QUERIES];
    for (int first = 0; first < count * groups; first += QUERIES) {
        int size = count * groups - first < QUERIES ? count * groups - first : QUERIES;
        for (int i = 0; i < size; i++) {
            int token = (first + i) / groups, own = (first + i) % groups;
            q[i].query = queries + (size_t)token * query_stride + (size_t)own * dim;
            q[i].out = out + (size_t)token * out_stride + (size_t)own * dim;
            q[i].position = start + token;
            q[i].peak = -INFINITY;
            q[i].sum = 0;
            for (int d = 0; d < dim; d += LANES) vf_store(q[i].mixed + d, vf_zero());
        }
        tile(c, head, dim, q, size);
    }
}
