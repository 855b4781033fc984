/* Threads that take pieces of work one by one and sleep when there is none.
 *
 * Pieces are handed out, not dealt: the caller works too and never waits for a thread that has not begun, so a
 * core that is busy with something else (the user's own kernel) costs its share and no more. Waiting is a short
 * bounded spin, then sleep.
 */
#include "nbc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { MAX_THREADS = 64, SPINS = 2000, COUNT_BITS = 20, MAX_PIECES = (1 << COUNT_BITS) - 1 };

struct pool {
    /* generation, count of pieces and next piece in one word: a late thread, which has read it before a new job
     * began, can neither take a piece of the new job nor mistake the new count for the old one */
    _Atomic uint64_t ticket;
    atomic_int done, sleeping;
    piece f;
    void *context;
    pthread_mutex_t lock;
    pthread_cond_t wake, finished;
    pthread_t threads[MAX_THREADS];
    int started;
    atomic_int wanted, closing;
};

typedef struct {
    pool *p;
    int number;
} start_info;

static uint64_t ticket_of(uint32_t generation, int count) {
    return (uint64_t)generation << (2 * COUNT_BITS) | (uint64_t)count << COUNT_BITS;
}

static uint32_t generation_in(uint64_t ticket) { return (uint32_t)(ticket >> (2 * COUNT_BITS)); }

static void relax(void) { __builtin_ia32_pause(); }

/* Work on job `generation` until its pieces are taken. */
static void help(pool *p, uint32_t generation) {
    for (;;) {
        uint64_t ticket = atomic_load(&p->ticket);
        int count = (int)(ticket >> COUNT_BITS & MAX_PIECES), next = (int)(ticket & MAX_PIECES);
        if (generation_in(ticket) != generation || next >= count) return;
        piece f = p->f;
        void *context = p->context;
        if (!atomic_compare_exchange_weak(&p->ticket, &ticket, ticket + 1)) continue;
        f(context, next);
        if (atomic_fetch_add(&p->done, 1) + 1 == count) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->finished);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

static uint32_t generation_of(pool *p) { return generation_in(atomic_load(&p->ticket)); }

static void *worker(void *argument) {
    start_info info = *(start_info *)argument;
    free(argument);
    pool *p = info.p;
    uint32_t seen = 0;
    for (;;) {
        for (int i = 0; i < SPINS && generation_of(p) == seen && !atomic_load(&p->closing); i++) relax();
        if (generation_of(p) == seen || info.number >= atomic_load(&p->wanted)) {
            pthread_mutex_lock(&p->lock);
            atomic_fetch_add(&p->sleeping, 1);
            while (!atomic_load(&p->closing) &&
                   (generation_of(p) == seen || info.number >= atomic_load(&p->wanted))) {
                seen = info.number >= atomic_load(&p->wanted) ? generation_of(p) : seen;
                pthread_cond_wait(&p->wake, &p->lock);
            }
            atomic_fetch_sub(&p->sleeping, 1);
            pthread_mutex_unlock(&p->lock);
        }
        if (atomic_load(&p->closing)) return NULL;
        seen = generation_of(p);
        help(p, seen);
    }
}

void nbc_pool_threads(pool *p, int threads) {
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    while (p->started < threads - 1) {
        start_info *info = malloc(sizeof *info);
        if (!info) break;
        *info = (start_info){p, p->started + 1};
        if (pthread_create(&p->threads[p->started], NULL, worker, info)) {
            free(info);
            break;
        }
        p->started++;
    }
    atomic_store(&p->wanted, threads < 1 ? 1 : threads);
}

int pool_threads(pool *p) { return atomic_load(&p->wanted); }

pool *nbc_pool_new(int threads) {
    pool *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->finished, NULL);
    nbc_pool_threads(p, threads);
    return p;
}

void nbc_pool_free(pool *p) {
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->closing, 1);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->started; i++) pthread_join(p->threads[i], NULL);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->finished);
    free(p);
}

void pool_run(pool *p, piece f, void *context, int count) {
    if (count == 1 || count > MAX_PIECES || atomic_load(&p->wanted) == 1) {
        for (int i = 0; i < count; i++) f(context, i);
        return;
    }
    uint32_t generation = (generation_of(p) + 1) & 0xFFFFFF; /* what is left of the word: 24 bits */
    /* Nobody can take a piece between these lines: the old ticket says that none is left. */
    p->f = f;
    p->context = context;
    atomic_store(&p->done, 0);
    atomic_store(&p->ticket, ticket_of(generation, count));
    if (atomic_load(&p->sleeping)) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
    help(p, generation);
    for (int i = 0; i < SPINS && atomic_load(&p->done) < count; i++) relax();
    if (atomic_load(&p->done) < count) {
        pthread_mutex_lock(&p->lock);
        while (atomic_load(&p->done) < count) pthread_cond_wait(&p->finished, &p->lock);
        pthread_mutex_unlock(&p->lock);
    }
}
