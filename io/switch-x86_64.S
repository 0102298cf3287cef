/* SPDX-License-Identifier: BSD-3-Clause */
/* io/switch-x86_64.S - change stacks (System V ABI).
 *
 * Only callee-saved registers survive a call, so only they are kept.  The
 * return is an indirect jump: a ret would go to an address that the
 * processor's return predictor has never seen and cost three times as much.
 *
 * Deliberately not marked as shadow-stack capable: an unmarked object keeps
 * shadow stacks off in the whole program, and then switching is safe.
 */

    .text

/* void vio_switch_stack(void **save_sp, void *load_sp) */
    .globl  vio_switch_stack
    .hidden vio_switch_stack
    .type   vio_switch_stack, @function
    .p2align 4
vio_switch_stack:
    .cfi_startproc
    endbr64
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq   %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq   %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq   %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq   %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    movq    %rsp, (%rdi)
    movq    %rsi, %rsp          /* same layout here: the rules above still hold */
    popq    %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    popq    %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    popq    %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq    %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    popq    %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq    %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    popq    %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    jmpq    *%rcx
    .cfi_endproc
    .size   vio_switch_stack, . - vio_switch_stack

/* First code on a new stack: rbx is the entry function, r12 its argument. */
    .globl  vio_switch_trampoline
    .hidden vio_switch_trampoline
    .type   vio_switch_trampoline, @function
    .p2align 4
vio_switch_trampoline:
    .cfi_startproc
    .cfi_undefined rip          /* backtraces end here */
    endbr64
    movq    %r12, %rdi
    xorl    %ebp, %ebp
    callq   *%rbx
    ud2
    .cfi_endproc
    .size   vio_switch_trampoline, . - vio_switch_trampoline

    .section .note.GNU-stack, "", @progbits
