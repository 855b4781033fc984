/* Many small jobs of changing size on a pool of changing width: each piece must run once, and for its own job. */
#include "nbc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC = 0x5eed, WIDEST = 300 };

typedef struct {
    int *hits, count;
    long magic;
} job;

static void count_hit(void *context, int number) {
    job *j = context;
    if (j->magic != MAGIC || number >= j->count) {
        printf("piece %d does not belong to a job of %d\n", number, j->count);
        exit(1);
    }
    __atomic_fetch_add(&j->hits[number], 1, __ATOMIC_SEQ_CST);
    volatile double work = 0;
    for (int i = 0; i < number % 7 * 20; i++) work += i;
}

int main(int argc, char **argv) {
    long jobs = argc > 1 ? atol(argv[1]) : 1000;
    static int hits[WIDEST + 16];
    unsigned random = 1;
    pool *p = nbc_pool_new(4);
    for (long n = 0; n < jobs; n++) {
        random = random * 1103515245 + 12345;
        int count = 2 + (int)((random >> 16) % ((random >> 8) % 5 ? 12 : WIDEST));
        job j = {hits, count, MAGIC};
        memset(hits, 0, (size_t)count * sizeof *hits);
        pool_run(p, count_hit, &j, count);
        for (int i = 0; i < count; i++)
            if (hits[i] != 1) {
                printf("job %ld: piece %d of %d ran %d times\n", n, i, count, hits[i]);
                return 1;
            }
        j.magic = 0;
        if (n % 1000 == 0) nbc_pool_threads(p, 1 + (int)(n / 1000 % 4));
    }
    nbc_pool_free(p);
    puts("ok");
    return 0;
}
