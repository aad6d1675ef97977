#!/usr/bin/env bash
# qemu.sh MACHINE ELF: runs a program on an emulated machine and prints its log. The exit code is the program's.
# MODEL: the image (default: the demo's; none: no image, for programs with feature embedded-model); MODEL_ADDR: where it goes; ICOUNT=shift=6 counts instructions
# exactly; TIMEOUT: seconds until the program is ended with code 124 (600); QEMU_ARGS: more arguments.
# Needs qemu-system-arm, qemu-system-aarch64 and `cargo install defmt-print --locked` (1.0 or newer).
set -o pipefail
machine=$1 elf=$2
here=$(dirname "${BASH_SOURCE[0]}")
model=${MODEL:-$here/../target/demo/nano.hrvit}
arguments=(-M "$machine" -kernel "$elf" -display none -monitor none -serial none -semihosting-config enable=on,target=native)
case $machine in
    virt) qemu=qemu-system-aarch64 address=0x50000000; arguments+=(-cpu max -m 512M -nic none) ;;
    raspi3b) qemu=qemu-system-aarch64 address=0x10000000 ;;
    mps2-an505) qemu=qemu-system-arm address=0x80000000 ;;
    *) qemu=qemu-system-arm address=0x60000000 ;;
esac
[ "$model" != none ] && arguments+=(-device "loader,file=$model,addr=${MODEL_ADDR:-$address},force-raw=on")
[ -n "$ICOUNT" ] && arguments+=(-icount "$ICOUNT")
# shellcheck disable=SC2086  # several arguments
timeout "${TIMEOUT:-600}" "$qemu" "${arguments[@]}" $QEMU_ARGS </dev/null | defmt-print -e "$elf"
exit "${PIPESTATUS[0]}"
