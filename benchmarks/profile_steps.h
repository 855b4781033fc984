/* Put before forward.c by profile_misses.py: every step of a pass is timed under its own name.
 * Also what the processor can do at most in the instruction that all linears are made of.
 */
#include "nbc.h"
#include "simd.h"
#include <time.h>

enum { STEPS = 32, TURNS = 20000000 };

static struct {
    const char *name;
    double seconds;
    long calls;
} steps[STEPS];

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void step_took(const char *name, double seconds) {
    int i = 0;
    while (i < STEPS - 1 && steps[i].name && strcmp(steps[i].name, name)) i++;
    steps[i].name = name;
    steps[i].seconds += seconds;
    steps[i].calls++;
}

/* Name and seconds of step `i`, then forgotten; NULL when there is none. */
const char *nbc_step(int i, double *seconds) {
    if (i >= STEPS || !steps[i].name) return NULL;
    *seconds = steps[i].seconds;
    steps[i].seconds = 0;
    return steps[i].name;
}

/* Products and sums of bytes a second on one thread, from registers: eight sums that have names, since an array of them
 * would lie in memory. */
double nbc_peak(void) {
    vi a = vi_zero(), b = a, c = a, d = a, e = a, f = a, g = a, h = a, weights = vi_set(0x01020304);
    input in = vi_input(0x01010101);
    double began = seconds_now();
    for (int turn = 0; turn < TURNS; turn++) {
        a = vi_dot(a, weights, in), b = vi_dot(b, weights, in), c = vi_dot(c, weights, in), d = vi_dot(d, weights, in);
        e = vi_dot(e, weights, in), f = vi_dot(f, weights, in), g = vi_dot(g, weights, in), h = vi_dot(h, weights, in);
        __asm__ volatile("" : "+v"(a), "+v"(b), "+v"(c), "+v"(d), "+v"(e), "+v"(f), "+v"(g), "+v"(h));
    }
    return 2.0 * 4 * LANES * 8 * (double)TURNS / (seconds_now() - began);
}

#define pool_run(p, f, c, n) \
    do { \
        double began = seconds_now(); \
        pool_run(p, f, c, n); \
        step_took(#f, seconds_now() - began); \
    } while (0)
#define linear_run(p, l, x, rows, y, add) \
    do { \
        double began = seconds_now(); \
        linear_run(p, l, x, rows, y, add); \
        step_took(#l, seconds_now() - began); \
    } while (0)
