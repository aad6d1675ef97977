/* Counts the instructions of every frame of a Linux program for AArch64: a plugin for QEMU's code generator, interface version 1. Argument: out=FILE for the result.
 *
 * A program makes the system call getppid, which no runtime has a use for, before its first frame and after every frame: a mark. QEMU translates a program in blocks
 * that run from their first instruction to their last; each has a counter. A frame begins with a line "frame"; every further line is a block: how often it ran in the
 * frame, and its instructions as hexadecimal words. Instructions before the first mark and after the last one are not in the result. The last line is "threads N". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../xtask/src/profile/qemu_plugin.h"

EXPORT int qemu_plugin_version = 1;

/* Linux's number of the system call getppid on AArch64. */
enum { MARK = 173 };

struct block {
    struct block *next;
    uint64_t runs;
    uint64_t noted;
    size_t length;
    uint32_t words[];
};

static struct block *blocks;
static FILE *out;
static unsigned threads, marks;

static void mark(void)
{
    if (marks++)
        fputs("frame\n", out);
    for (struct block *block = blocks; block; block = block->next) {
        uint64_t runs = block->runs - block->noted;
        block->noted = block->runs;
        if (!runs || marks == 1)
            continue;
        fprintf(out, "%" PRIu64, runs);
        for (size_t i = 0; i < block->length; i++)
            fprintf(out, " %" PRIx32, block->words[i]);
        fputc('\n', out);
    }
}

static void system_call(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number == MARK)
        mark();
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    size_t length = qemu_plugin_tb_n_insns(tb);
    struct block *block = calloc(1, sizeof *block + length * sizeof block->words[0]);
    if (!block)
        abort();
    block->length = length;
    for (size_t i = 0; i < length; i++)
        memcpy(&block->words[i], qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, i)), sizeof block->words[i]);
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &block->runs, 1);
}

static void thread_begins(qemu_plugin_id_t id, unsigned cpu)
{
    (void)id, (void)cpu;
    threads++;
}

static void ends(qemu_plugin_id_t id, void *data)
{
    (void)id, (void)data;
    fprintf(out, "threads %u\n", threads);
    fclose(out);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    if (argc != 1 || strncmp(argv[0], "out=", 4))
        return -1;
    out = fopen(argv[0] + 4, "w");
    if (!out)
        return -1;
    qemu_plugin_register_vcpu_init_cb(id, thread_begins);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_vcpu_syscall_cb(id, system_call);
    qemu_plugin_register_atexit_cb(id, ends, NULL);
    return 0;
}
