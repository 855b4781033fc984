/* Rows of bytes times a matrix of bytes, summed exactly in integers within a group, in float32 over the groups.
 *
 * Each output of each row is computed by the same operations in the same order whatever the number of rows, so
 * one row alone gives the very bits that it gives among 256.
 */
#include "nbc.h"
#include "simd.h"

/* Outputs come in blocks of 16; ROWS rows share a load of weights, as many as the registers hold sums for. */
enum { BLOCK = 16, PARTS = BLOCK / LANES, ROWS = LANES == 16 ? 8 : 4, PIECE_BYTES = 96 * 1024 };

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
                vi v = vf_round(vf_mul(vf_load(x + i), inverse));
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
    int rows, add, blocks;
} task;

/* Sums of `rows` rows (from `row`) for the 16 outputs of block `b`; 8-bit weights. */
INLINE void sum8(const task *t, int b, int row, vf out[][PARTS], const int rows) {
    const int k = t->l->k, group = t->l->group;
    const uint8_t *w = t->l->w + (size_t)b * BLOCK * k;
    const float *scale = (const float *)t->l->scale + (size_t)b * BLOCK * (k / group);
    const int8_t *x = t->x->values + (size_t)row * k;
    const float *xs = t->x->scales + (size_t)row * (k / 32);
    const int *sums = t->x->sums + (size_t)row * (k / 32);
    for (int at = 0; at < k; at += group, scale += BLOCK) {
        vi acc[ROWS][PARTS];
        for (int m = 0; m < rows; m++) {
            int sum = 0;
            for (int i = at / 32; i < (at + group) / 32; i++) sum += sums[m * (k / 32) + i];
            for (int p = 0; p < PARTS; p++) acc[m][p] = vi_start(sum);
        }
        for (int i = at; i < at + group; i += 4, w += BLOCK * 4) {
            vi weights[PARTS];
            for (int p = 0; p < PARTS; p++) weights[p] = vi_weights(w + p * LANES * 4);
            for (int m = 0; m < rows; m++) {
                input in = vi_input(word_at(x + (size_t)m * k + i));
                for (int p = 0; p < PARTS; p++) acc[m][p] = vi_dot(acc[m][p], weights[p], in);
            }
        }
        for (int m = 0; m < rows; m++) {
            vf own = vf_set(xs[m * (k / 32) + at / 32]);
            for (int p = 0; p < PARTS; p++)
                out[m][p] = vf_fma(vf_from_int(acc[m][p]), vf_mul(vf_load(scale + p * LANES), own), out[m][p]);
        }
    }
}

/* The same for 4-bit weights. */
INLINE void sum4(const task *t, int b, int row, vf out[][PARTS], const int rows) {
    const int k = t->l->k;
    const uint8_t *w = t->l->w + (size_t)b * BLOCK * k / 2;
    const uint16_t *scale = (const uint16_t *)t->l->scale + (size_t)b * BLOCK * (k / 32);
    const uint16_t *lowest = t->l->lowest + (size_t)b * BLOCK * (k / 32);
    const int8_t *x = t->x->values + (size_t)row * k;
    const float *xs = t->x->scales + (size_t)row * (k / 32);
    const int *sums = t->x->sums + (size_t)row * (k / 32);
    for (int g = 0; g < k / 32; g++, scale += BLOCK, lowest += BLOCK, x += 32) {
        vi acc[ROWS][PARTS];
        for (int m = 0; m < rows; m++)
            for (int p = 0; p < PARTS; p++) acc[m][p] = vi_zero();
        for (int v = 0; v < 4; v++, w += BLOCK * 4) {
            for (int p = 0; p < PARTS; p++) {
                vi weights = vi_load(w + p * LANES * 4);
                vi low = vi_low4(weights), high = vi_high4(weights);
                for (int m = 0; m < rows; m++) {
                    acc[m][p] = vi_dot4(acc[m][p], low, vi_input(word_at(x + (size_t)m * k + v * 4)));
                    acc[m][p] = vi_dot4(acc[m][p], high, vi_input(word_at(x + (size_t)m * k + 16 + v * 4)));
                }
            }
        }
        for (int p = 0; p < PARTS; p++) {
            vf s = vf_halves(scale + p * LANES), z = vf_halves(lowest + p * LANES);
            for (int m = 0; m < rows; m++) {
                const int i = m * (k / 32) + g;
                vf value = vf_sub(vf_mul(vf_from_int(acc[m][p]), s), vf_mul(vf_set((float)sums[i]), z));
                out[m][p] = vf_fma(value, vf_set(xs[i]), out[m][p]);
            }
        }
    }
    for (int m = 0; m < rows; m++)
        for (int p = 0; p < PARTS; p++) out[m][p] = vf_mul(out[m][p], vf_set(t->l->factor));
}

INLINE void tile(const task *t, int b, int row, const int rows) {
    vf sums[ROWS][PARTS];
    for (int m = 0; m < rows; m++)
        for (int p = 0; p < PARTS; p++) sums[m][p] = vf_zero();
    if (t->l->bits == 8) sum8(t, b, row, sums, rows);
    else sum4(t, b, row, sums, rows);
    for (int p = 0; p < PARTS; p++) {
        const int at = b * BLOCK + p * LANES;
        vf bias = t->l->bias ? vf_load(t->l->bias + at) : vf_zero();
        for (int m = 0; m < rows; m++) {
            float *y = t->y + (size_t)(row + m) * t->l->n + at;
            vf value = vf_add(sums[m][p], bias);
            vf_store(y, t->add ? vf_add(vf_load(y), value) : value);
        }
    }
}

static void blocks(void *context, int number) {
    const task *t = context;
    int first = number * t->blocks, last = first + t->blocks;
    if (last > t->l->n / BLOCK) last = t->l->n / BLOCK;
    for (int row = 0; row < t->rows; row += ROWS) {
        for (int b = first; b < last; b++) {
            switch (t->rows - row) {
                case 1: tile(t, b, row, 1); break;
                case 2: tile(t, b, row, 2); break;
                case 3: tile(t, b, row, 3); break;
#if LANES == 16
                case 4: tile(t, b, row, 4); break;
                case 5: tile(t, b, row, 5); break;
                case 6: tile(t, b, row, 6); break;
                case 7: tile(t, b, row, 7); break;
#endif
                default: tile(t, b, row, ROWS);
            }
        }
    }
}

void linear_run(pool *p, const linear *l, const bytes *x, int rows, float *y, int add) {
    int all = l->n / BLOCK, block_bytes = BLOCK * l->k * l->bits / 8;
    int each = PIECE_BYTES / block_bytes;
    if (each < 1) each = 1;
    task t = {l, x, y, rows, add, each};
    pool_run(p, blocks, &t, (all + each - 1) / each);
}
