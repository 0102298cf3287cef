/* SPDX-License-Identifier: BSD-3-Clause */
/* io/switch-aarch64.S - change stacks (AAPCS64).
 *
 * Keeps x19 to x30 and the low halves of v8 to v15; x18 belongs to the
 * platform and FPCR to nobody.  The stack pointer is a multiple of 16
 * throughout.
 */

    .text

/* void vio_switch_stack(void **save_sp, void *load_sp) */
    .globl  vio_switch_stack
    .hidden vio_switch_stack
    .type   vio_switch_stack, %function
    .p2align 4
vio_switch_stack:
    .cfi_startproc
    hint    #34                 /* bti c */
    sub     sp, sp, #160
    .cfi_adjust_cfa_offset 160
    stp     x19, x20, [sp, #0]
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp     d8,  d9,  [sp, #96]
    stp     d10, d11, [sp, #112]
    stp     d12, d13, [sp, #128]
    stp     d14, d15, [sp, #144]
    mov     x9, sp
    str     x9, [x0]
    mov     sp, x1              /* same layout here: the rules above still hold */
    ldp     x19, x20, [sp, #0]
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     d8,  d9,  [sp, #96]
    ldp     d10, d11, [sp, #112]
    ldp     d12, d13, [sp, #128]
    ldp     d14, d15, [sp, #144]
    add     sp, sp, #160
    .cfi_adjust_cfa_offset -160
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size   vio_switch_stack, . - vio_switch_stack

/* First code on a new stack: x20 is the entry function, x19 its argument. */
    .globl  vio_switch_trampoline
    .hidden vio_switch_trampoline
    .type   vio_switch_trampoline, %function
    .p2align 4
vio_switch_trampoline:
    .cfi_startproc
    .cfi_undefined x30          /* backtraces end here */
    hint    #34                 /* bti c */
    mov     x0, x19
    mov     x29, xzr
    blr     x20
    brk     #1
    .cfi_endproc
    .size   vio_switch_trampoline, . - vio_switch_trampoline

    .section .note.GNU-stack, "", %progbits
