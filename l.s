turn:
ldrd r12, lr, [r0]
ldr.w r2, [r1, #0x13c]
smlad r8, r12, r3, r8
smlad r9, lr, r3, r9
smlad r4, r12, r2, r4
smlad r5, lr, r2, r5
ldrd r12, lr, [r0, #8]
smlad r10, r12, r3, r10
smlad r6, r12, r2, r6
smlad r11, lr, r3, r11
ldr.w r3, [r1, #0x148]
smlad r7, lr, r2, r7
ldrd r12, lr, [r0, #16]
ldr.w r2, [r1, #0x144]
smlad r8, r12, r3, r8
smlad r9, lr, r3, r9
smlad r4, r12, r2, r4
smlad r5, lr, r2, r5
ldrd r12, lr, [r0, #24]
smlad r10, r12, r3, r10
smlad r6, r12, r2, r6
smlad r11, lr, r3, r11
ldr.w r3, [r1, #0x150]
smlad r7, lr, r2, r7
ldrd r12, lr, [r0, #32]
ldr.w r2, [r1, #0x14c]
smlad r8, r12, r3, r8
smlad r9, lr, r3, r9
smlad r4, r12, r2, r4
smlad r5, lr, r2, r5
ldrd r12, lr, [r0, #40]
smlad r10, r12, r3, r10
smlad r6, r12, r2, r6
smlad r11, lr, r3, r11
ldr.w r3, [r1, #0x158]
smlad r7, lr, r2, r7
ldrd r12, lr, [r0, #48]
ldr.w r2, [r1, #0x154]
smlad r8, r12, r3, r8
smlad r9, lr, r3, r9
smlad r4, r12, r2, r4
smlad r5, lr, r2, r5
ldrd r12, lr, [r0, #56]
smlad r10, r12, r3, r10
smlad r6, r12, r2, r6
smlad r11, lr, r3, r11
ldr.w r3, [r1, #0x160]
smlad r7, lr, r2, r7
ldrd r12, lr, [r0, #64]
ldr.w r2, [r1, #0x15c]
smlad r8, r12, r3, r8
smlad r9, lr, r3, r9
smlad r4, r12, r2, r4
smlad r5, lr, r2, r5
ldrd r12, lr, [r0, #72]
smlad r10, r12, r3, r10
smlad r6, r12, r2, r6
smlad r11, lr, r3, r11
ldr.w r3, [r1, #0x168]
smlad r7, lr, r2, r7
ldrd r12, lr, [r0, #80]
ldr.w r2, [r1, #0x164]
smlad r8, r12, r3, r8
smlad r9, lr, r3, r9
smlad r4, r12, r2, r4
smlad r5, lr, r2, r5
ldrd r12, lr, [r0, #88]
smlad r10, r12, r3, r10
smlad r6, r12, r2, r6
smlad r11, lr, r3, r11
ldr.w r3, [r1, #0x170]
smlad r7, lr, r2, r7
ldrd r12, lr, [r0, #96]
ldr.w r2, [r1, #0x16c]
smlad r8, r12, r3, r8
smlad r9, lr, r3, r9
smlad r4, r12, r2, r4
smlad r5, lr, r2, r5
ldrd r12, lr, [r0, #104]
smlad r10, r12, r3, r10
smlad r6, r12, r2, r6
smlad r11, lr, r3, r11
ldr.w r3, [r1, #0x178]
smlad r7, lr, r2, r7
ldrd r12, lr, [r0, #112]
ldr.w r2, [r1, #0x174]
smlad r8, r12, r3, r8
add.w r0, r0, #0x80
smlad r9, lr, r3, r9
smlad r4, r12, r2, r4
smlad r5, lr, r2, r5
ldrd r12, lr, [r0, #-8]
add.w r1, r1, #0x40
smlad r10, r12, r3, r10
cmp sp, r1
smlad r11, lr, r3, r11
ldr.w r3, [r1, #0x140]
smlad r6, r12, r2, r6
smlad r7, lr, r2, r7
bne.w turn
