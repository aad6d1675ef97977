/* Counts how often every instruction of a program runs within one frame: a plugin for QEMU's code generator, interface version 1 (docs/devel/tcg-plugins.rst in
 * QEMU's sources). Arguments: begin=ADDRESS and end=ADDRESS[:ADDRESS...] of the instructions that a frame begins and ends with, out=FILE for the result.
 *
 * QEMU translates a program in blocks that run from their first instruction to their last; each has a counter. When the first frame begins and when it ends all
 * counters are noted. A line of the result is a block: how often it ran between the two, and the addresses of its instructions. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_plugin.h"

EXPORT int qemu_plugin_version = 1;

struct block {
    struct block *next;
    uint64_t runs;
    uint64_t before;
    uint64_t within;
    size_t length;
    uint64_t address[];
};

enum { ENDS = 16 };
static struct block *blocks;
static uint64_t begin, end[ENDS];
static size_t ends;
static const char *out;
static enum { BEFORE, WITHIN, AFTER } state;

static void frame_begins(unsigned cpu, void *data)
{
    (void)cpu;
    if (state != BEFORE)
        return;
    state = WITHIN;
    for (struct block *block = blocks; block; block = block->next)
        block->before = block->runs;
    /* The block that begins here has been counted already. */
    ((struct block *)data)->before--;
}

static void frame_ends(unsigned cpu, void *data)
{
    (void)cpu;
    if (state != WITHIN)
        return;
    state = AFTER;
    for (struct block *block = blocks; block; block = block->next)
        block->within = block->runs - block->before;
    /* The block that begins here is no longer the frame's. */
    ((struct block *)data)->within--;
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    size_t length = qemu_plugin_tb_n_insns(tb);
    struct block *block = calloc(1, sizeof *block + length * sizeof block->address[0]);
    if (!block)
        abort();
    block->length = length;
    for (size_t i = 0; i < length; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t address = block->address[i] = qemu_plugin_insn_vaddr(insn);
        if (i == 0 && address == begin)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, frame_begins, QEMU_PLUGIN_CB_NO_REGS, block);
        for (size_t e = 0; e < ends; e++)
            if (i == 0 && address == end[e])
                qemu_plugin_register_vcpu_insn_exec_cb(insn, frame_ends, QEMU_PLUGIN_CB_NO_REGS, block);
    }
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &block->runs, 1);
}

static void write_counts(qemu_plugin_id_t id, void *data)
{
    (void)id, (void)data;
    FILE *file = fopen(out, "w");
    if (!file)
        return;
    for (struct block *block = blocks; state == AFTER && block; block = block->next) {
        if (!block->within)
            continue;
        fprintf(file, "%" PRIu64, block->within);
        for (size_t i = 0; i < block->length; i++)
            fprintf(file, " %" PRIx64, block->address[i]);
        fputc('\n', file);
    }
    fclose(file);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "begin=", 6)) {
            begin = strtoull(argv[i] + 6, NULL, 16);
        } else if (!strncmp(argv[i], "end=", 4)) {
            for (char *at = argv[i] + 4; *at && ends < ENDS; at += *at == ':')
                end[ends++] = strtoull(at, &at, 16);
        } else if (!strncmp(argv[i], "out=", 4)) {
            out = strdup(argv[i] + 4);
        } else {
            return -1;
        }
    }
    if (!out || !ends)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, write_counts, NULL);
    return 0;
}
