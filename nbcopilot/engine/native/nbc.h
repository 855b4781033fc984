/* What the four parts share. Python sees `nbc_*` only, through ctypes: native/binding.py mirrors the structs. */
#ifndef NBC_H
#define NBC_H

#include <stddef.h>
#include <stdint.h>

/* ---- pool.c: a function over numbered pieces, on several threads */

typedef struct pool pool;
typedef void (*piece)(void *context, int number);

pool *nbc_pool_new(int threads);
void nbc_pool_free(pool *p);
void nbc_pool_threads(pool *p, int threads);
/* Run f(context, 0 .. count-1), each once, and return when all are done. */
void pool_run(pool *p, piece f, void *context, int count);
/* How many threads take pieces. */
int pool_threads(pool *p);

/* ---- linear.c: y = x W^T, bytes times bytes */

/* Weights (n outputs, k inputs), n padded to 16, k to `group`.
 * bits 8: w is [n/16][k/4][16][4] bytes, 128 + value; scale is [n/16][k/group][16] float32, by output and group.
 * bits 4: w is [n/16][k/32][4][64] bytes: the low nibbles of byte block v are inputs 4v..4v+3 of a group of 32, the high
 *         nibbles inputs 16+4v..; scale and lowest are [n/16][k/32][16] float16, value = factor * (scale * q - lowest). */
typedef struct {
    const uint8_t *w;
    const void *scale;
    const uint16_t *lowest;
    const float *bias;
    float factor;
    int bits, n, k, group;
} linear;

/* Rows of inputs as signed bytes: values [m][k], one scale and one sum of the bytes per group of 32. The scale is
 * shared by `group` inputs (the weights' group), so every row is rounded by itself. */
typedef struct {
    int8_t *values;
    float *scales;
    int *sums;
    int k, group;
} bytes;

void quantize_row(const float *x, bytes *out, int row);
/* y[m][n] = (add ? y : 0) + x W^T + bias */
void linear_run(pool *p, const linear *l, const bytes *x, int rows, float *y, int add);

/* ---- attention.c: keys and values of one sequence in half precision */

enum { MAX_DIM = 256 }; /* widest head */

/* One layer's keys [kv_heads][capacity/16][dim][16], values [kv_heads][capacity][dim]. */
typedef struct {
    uint16_t *keys, *values;
    int capacity;
} layer_cache;

void cache_put(const layer_cache *c, int head, int position, int dim, const float *key, const float *value);
/* Queries `count` tokens from position `start`, [count][stride] floats with `groups` heads of `dim` each; out alike. */
void attend(const layer_cache *c, int head, int groups, int dim, int start, int count, const float *queries,
            int query_stride, float *out, int out_stride);

#endif
