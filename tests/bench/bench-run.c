/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/bench/bench-run.c - what running a program takes.
 *
 *   bench-run RESULT WARM COUNT PROGRAM [ARGUMENT]...
 *
 * Touches WARM MiB of memory, which a host that hands it out on demand takes
 * its time for, and takes back soon: a program that is the first one to write
 * there would pay for it.  Then runs the program COUNT times and writes to the
 * file RESULT a line: seconds of wall clock and of processor time of one run,
 * on average, and the greatest peak of resident memory in KiB.  Python cannot
 * tell these: its own memory counts as its child's until the child's program
 * begins, and starting from it takes as long as "info" runs.
 *
 * Ends as the program has ended, at the first run that fails.
 *
 * Concurrency: one thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/arguments.h"

typedef struct {
    double seconds, cpu;
    long rss;
} Usage;

static double
now(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static double
seconds_of(struct timeval tv)
{
    return (double) tv.tv_sec + (double) tv.tv_usec / 1e6;
}

/* In a child, whose peak of memory is nobody's; one that fails has done what
 * it could.
 */
static void
warm_memory(size_t bytes)
{
    pid_t pid = bytes ? fork() : -1;

    if (pid == 0) {
        char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (memory != MAP_FAILED) {
            (void) madvise(memory, bytes, MADV_HUGEPAGE);
            memset(memory, 1, bytes);
        }
        _exit(0);
    }
    if (pid > 0)
        (void) waitpid(pid, NULL, 0);
}

static void
run_once(char **argv, Usage *sum)
{
    double start = now();
    pid_t pid = fork();
    struct rusage usage;
    int status;

    if (pid == 0) {
        (void) execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid) {
        perror("bench-run");
        exit(126);
    }
    if (status != 0)
        exit(WIFEXITED(status) ? WEXITSTATUS(status) : 125);
    sum->seconds += now() - start;
    sum->cpu += seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    if (usage.ru_maxrss > sum->rss)
        sum->rss = usage.ru_maxrss;
}

int
main(int argc, char **argv)
{
    Usage sum = {0};
    uint64_t count;
    FILE *result;

    if (argc < 5 || !(count = bench_number(argv[3])))
        return 2;
    warm_memory((size_t) bench_number(argv[2]) << 20);
    for (uint64_t i = 0; i < count; i++)
        run_once(argv + 4, &sum);
    result = fopen(argv[1], "w");
    if (!result ||
        fprintf(result, "%.6f %.6f %ld\n", sum.seconds / (double) count,
                sum.cpu / (double) count, sum.rss) < 0 ||
        fclose(result) != 0) {
        perror(argv[1]);
        return 126;
    }
    return 0;
}
