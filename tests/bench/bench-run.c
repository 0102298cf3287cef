/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/bench/bench-run.c - what running a program takes.
 *
 *   bench-run RESULT COUNT PROGRAM [ARGUMENT]...
 *
 * Runs the program COUNT times and writes to the file RESULT a line: seconds of
 * wall clock and of processor time of one run, on average, and the greatest
 * peak of resident memory in KiB.  Python cannot tell these: its own memory
 * counts as its child's until the child's program begins, and starting from it
 * takes as long as "info" runs.
 *
 * Ends as the program has ended, at the first run that fails.
 *
 * Concurrency: one thread.
 */
#include <stdio.h>
#include <stdlib.h>
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

    if (argc < 4 || !(count = bench_number(argv[2])))
        return 2;
    for (uint64_t i = 0; i < count; i++)
        run_once(argv + 3, &sum);
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
