/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks in memory to be damaged, checked and repaired: "disk.vmdk" is a text descriptor of one
 * extent, "extent". What a check finds is written down as text, one finding a line:
 *
 *     fault gte-invalid repaired
 */
#ifndef VD_TESTS_CHECK_DISK_H
#define VD_TESTS_CHECK_DISK_H

#include "base/buf.h"
#include "block/memory.h"
#include "harness.h"
#include "vmdk/check.h"

#define CHECK_TEXT_BYTES (64u << 10)

/* A descriptor "disk.vmdk" of one extent. `more` are further lines, NULL for none. */
static inline void check_disk_descriptor(struct vd_fs_memory *files, uint64_t sectors,
                                         const char *type, const char *more)
{
    struct vd_buf text = VD_BUF_INIT(CHECK_TEXT_BYTES);
    check_code(vd_buf_printf(&text,
                             "# Disk DescriptorFile\nversion=1\nCID=01234567\n"
                             "parentCID=ffffffff\ncreateType=\"custom\"\n\nRW %llu %s \"extent\"\n"
                             "%s",
                             (unsigned long long)sectors, type, more ? more : ""),
               VD_OK);
    check_code(vd_fs_memory_add(files, "disk.vmdk", text.data, text.length, NULL), VD_OK);
    vd_buf_done(&text);
}

static inline void check_disk_note(void *data, const struct vd_finding *finding)
{
    static const char *const grades[] = {"info", "leak", "fault"};
    check(finding->text[0] != '\0' && finding->file[0] != '\0');
    check(!finding->repaired || finding->repairable);
    check_code(vd_buf_printf(data, "%s %s%s\n", grades[finding->grade], finding->id,
                             finding->repaired     ? " repaired"
                             : finding->repairable ? " repairable"
                                                   : ""),
               VD_OK);
}

/* What a check may do; repair is also true, and a check alone false. */
enum check_mode { CHECK_ALONE, CHECK_REPAIR, CHECK_SALVAGE };

/* Checks "disk.vmdk"; the findings are left in `findings`. */
static inline int check_disk_run(const struct vd_fs *fs, enum check_mode mode,
                                 struct vd_buf *findings, struct vd_check_result *ret,
                                 struct vd_error *err)
{
    const struct vd_check_options options = {
        .open = {.fs = fs},
        .repair = mode != CHECK_ALONE,
        .salvage = mode == CHECK_SALVAGE,
        .finding = check_disk_note,
        .data = findings,
    };
    return vd_vmdk_check("disk.vmdk", &options, ret, err);
}

/* Checks, and the findings are these. */
static inline struct vd_check_result check_disk_finds(const struct vd_fs *fs, enum check_mode mode,
                                                      const char *expected)
{
    struct vd_buf findings = VD_BUF_INIT(CHECK_TEXT_BYTES);
    struct vd_check_result result = {0};
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(check_disk_run(fs, mode, &findings, &result, &err), VD_OK, &err);
    check_str_eq(vd_buf_text(&findings), expected);
    vd_buf_done(&findings);
    return result;
}

/* The bytes of a file; free them. */
static inline uint8_t *check_disk_bytes(const struct vd_fs *fs, const char *name,
                                        size_t *ret_length)
{
    struct vd_block *block = NULL;
    uint64_t size = 0;
    check_code(vd_fs_open(fs, name, 0, &block, NULL), VD_OK);
    check_code(vd_block_size(block, &size, NULL), VD_OK);
    uint8_t *bytes = malloc((size_t)size + 1);
    check(bytes != NULL);
    if (size > 0)
        check_code(vd_block_read(block, 0, bytes, (size_t)size, NULL), VD_OK);
    vd_block_free(block);
    *ret_length = (size_t)size;
    return bytes;
}

/* What a guest reads, sector by sector: a byte 0 for one that cannot be read, as all of a disk that
 * does not open, else 1 and the sector. */
static inline uint8_t *check_disk_content(const struct vd_fs *fs, uint64_t sectors)
{
    const struct vd_vmdk_options options = {.fs = fs, .flags = VD_VMDK_READ_ONLY};
    struct vd_disk *disk = NULL;
    struct vd_error err = VD_ERROR_INIT;
    uint8_t *bytes = calloc((size_t)sectors, 513);
    check(bytes != NULL);
    if (vd_vmdk_open("disk.vmdk", &options, &disk, &err) < 0)
        return bytes;
    for (uint64_t i = 0; i < sectors; i++)
        bytes[i * 513] = vd_disk_read(disk, i, 1, bytes + i * 513 + 1, NULL) >= 0;
    vd_disk_free(disk);
    return bytes;
}

#endif
