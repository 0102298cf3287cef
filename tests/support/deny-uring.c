/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/deny-uring.c - run a program as if in a container that forbids
 * io_uring.
 *
 *     deny-uring EPERM|ENOSYS all|enter|aio PROGRAM [ARGUMENT...]
 *
 * A seccomp filter answers the io_uring system calls with that error; "enter"
 * allows rings to be made, as a half-hearted profile does; "aio" forbids Linux
 * AIO as well.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same numbers on every architecture. */
enum { NR_SETUP = 425, NR_ENTER = 426, NR_REGISTER = 427 };

static int
deny(unsigned first, unsigned last, unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {
        .len = sizeof(code) / sizeof(code[0]),
        .filter = code,
    };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int
main(int argc, char **argv)
{
    unsigned error;
    bool rings;

    if (argc < 4) {
        (void) fprintf(stderr,
                       "usage: %s EPERM|ENOSYS all|enter|aio PROGRAM...\n",
                       argv[0]);
        return 2;
    }
    error = strcmp(argv[1], "ENOSYS") == 0 ? ENOSYS : EPERM;
    rings = strcmp(argv[2], "enter") == 0;
    if (deny(rings ? NR_ENTER : NR_SETUP, rings ? NR_ENTER : NR_REGISTER,
             error) < 0 ||
        (strcmp(argv[2], "aio") == 0 &&
         deny(SYS_io_setup, SYS_io_setup, error) < 0)) {
        perror("seccomp");
        return 77;
    }
    (void) execv(argv[3], argv + 3);
    perror(argv[3]);
    return 127;
}
