/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detection by content. Magic numbers: Virtual Disk Format 5.0 (KDMV, COWD), qemu block/vmdk.c
 * (SESparse), libvmdk documentation (CTK), open-vmdk ("kdmv", written first and replaced by the
 * true magic at the end). VMware takes a file for a text descriptor when its first option line is
 * version=N; here the signature comment, or another key only a descriptor has, will do as well, so
 * that a descriptor without version is told to lack one and not to be raw data.
 */
#include "vmdk/probe.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "vmdk/ascii.h"

#define MAGIC_KDMV        0x564d444bu
#define MAGIC_INCOMPLETE  0x766d646bu /* KDMV xor 0x20202020 */
#define MAGIC_COWD        0x44574f43u
#define MAGIC_CTK         0xf61972a2u
#define MAGIC_SESPARSE    0xcafebabeu /* as u64 */

#define COWD_HEADER_BYTES 28u
#define ESX_TABLE_ENTRIES 4096u
#define OLD_TABLE_ENTRIES 512u

struct line {
    const char *at;
    size_t length;
};

/* A tab, a line end or anything printable; bytes from 0x80 belong to some encoding. */
static bool is_text(char c)
{
    return (unsigned char)c >= 0x20 || c == '\t' || c == '\r' || c == '\n';
}

/* Cuts the next line, without its end and outer blanks, off `text`; false at the end of the text
 * and where it stops being text. */
static bool next_line(struct line *text, struct line *ret)
{
    size_t end = 0;
    while (end < text->length && text->at[end] != '\n' && is_text(text->at[end]))
        end++;
    if (text->length == 0 || (end < text->length && !is_text(text->at[end]) && text->at[end] != 0))
        return false;
    struct line line = {text->at, end};
    bool last = end == text->length || text->at[end] == 0;
    text->at += last ? text->length : end + 1;
    text->length -= last ? text->length : end + 1;
    while (line.length > 0 && vd_ascii_is_blank(line.at[0]))
        line.at++, line.length--;
    while (line.length > 0 && vd_ascii_is_blank(line.at[line.length - 1]))
        line.length--;
    *ret = line;
    return true;
}

/* Does the line begin with `word` (any case), ended by a blank, an equals sign or its end? */
static bool begins_with_word(const struct line *line, const char *word)
{
    size_t length = strlen(word);
    if (line->length < length || !vd_ascii_equal_n(line->at, word, length))
        return false;
    return line->length == length || vd_ascii_is_blank(line->at[length]) || line->at[length] == '=';
}

static bool begins_with_any(const struct line *line, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (begins_with_word(line, *words))
            return true;
    }
    return false;
}

static bool is_signature(const struct line *comment)
{
    static const char *const spellings[] = {"disk descriptorfile", "disk descriptor file"};
    struct line rest = {comment->at + 1, comment->length - 1};
    while (rest.length > 0 && vd_ascii_is_blank(rest.at[0]))
        rest.at++, rest.length--;
    for (size_t i = 0; i < VD_ARRAY_SIZE(spellings); i++) {
        size_t length = strlen(spellings[i]);
        if (rest.length >= length && vd_ascii_equal_n(rest.at, spellings[i], length))
            return true;
    }
    return false;
}

/* What one line settles; VD_FILE_OTHER when it settles nothing. */
static enum vd_file_kind judge_line(const struct line *line)
{
    static const char *const descriptor_words[] = {"version", "cid",    "parentcid", "createtype",
                                                   "rw",      "rdonly", "noaccess",  NULL};
    static const char *const pln_words[] = {"drivetype", "cylinders", NULL};

    if (line->at[0] == '#') {
        if (line->length >= 4 && memcmp(line->at, "#vm|", 4) == 0)
            return VD_FILE_PLN;
        return is_signature(line) ? VD_FILE_DESCRIPTOR : VD_FILE_OTHER;
    }
    if (begins_with_any(line, pln_words))
        return VD_FILE_PLN;
    return begins_with_any(line, descriptor_words) ? VD_FILE_DESCRIPTOR : VD_FILE_OTHER;
}

static enum vd_file_kind probe_text(const char *bytes, size_t length)
{
    struct line text = {bytes, length};
    if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) /* byte order mark */
        text.at += 3, text.length -= 3;

    struct line line;
    while (next_line(&text, &line)) {
        if (line.length == 0)
            continue;
        enum vd_file_kind kind = judge_line(&line);
        if (kind != VD_FILE_OTHER)
            return kind;
        if (line.at[0] != '#' && memchr(line.at, '=', line.length) == NULL)
            return VD_FILE_OTHER;
    }
    return VD_FILE_OTHER;
}

/*
 * The magic of ESX redo logs is also that of hosted COW disks of VMware 2, 3 and GSX, whose tables
 * have 512 entries: the number of directory entries tells which it is (sherpya/vdk). Where both
 * fit, the flags of hosted disks for several files and for version fields decide.
 */
static enum vd_file_kind probe_cowd(const uint8_t *bytes, size_t length)
{
    if (length < COWD_HEADER_BYTES)
        return VD_FILE_COWD;
    uint32_t version = vd_le32_decode(bytes + 4);
    uint32_t flags = vd_le32_decode(bytes + 8);
    uint64_t sectors = vd_le32_decode(bytes + 12);
    uint64_t grain_sectors = vd_le32_decode(bytes + 16);
    uint64_t entries = vd_le32_decode(bytes + 24);

    if (version == 3)
        return VD_FILE_HOSTED_COWD;
    if (grain_sectors == 0)
        return VD_FILE_COWD;
    bool fits_esx = entries == vd_div_up(sectors, ESX_TABLE_ENTRIES * grain_sectors);
    bool fits_hosted = entries == vd_div_up(sectors, OLD_TABLE_ENTRIES * grain_sectors);
    if (fits_esx && fits_hosted)
        return (flags & 0x18u) != 0 ? VD_FILE_HOSTED_COWD : VD_FILE_COWD;
    return fits_hosted ? VD_FILE_HOSTED_COWD : VD_FILE_COWD;
}

enum vd_file_kind vd_probe_bytes(const uint8_t *bytes, size_t length)
{
    if (length >= 8 && vd_le64_decode(bytes) == MAGIC_SESPARSE)
        return VD_FILE_SESPARSE;
    if (length >= 4) {
        switch (vd_le32_decode(bytes)) {
        case MAGIC_KDMV:
            return VD_FILE_KDMV;
        case MAGIC_INCOMPLETE:
            return VD_FILE_INCOMPLETE_KDMV;
        case MAGIC_COWD:
            return probe_cowd(bytes, length);
        case MAGIC_CTK:
            return VD_FILE_CTK;
        default:
            break;
        }
    }
    return probe_text((const char *)bytes, length);
}

int vd_front_read(struct vd_block *block, struct vd_front *ret, struct vd_error *err)
{
    return vd_block_read_some(block, 0, ret->bytes, sizeof ret->bytes, &ret->length, err);
}

int vd_probe_block(struct vd_block *block, enum vd_file_kind *ret, struct vd_error *err)
{
    struct vd_front front;
    int r = vd_front_read(block, &front, err);
    if (r < 0)
        return r;
    *ret = vd_probe_bytes(front.bytes, front.length);
    return 0;
}

enum vd_file_kind vd_file_kind_expected(enum vd_extent_type type)
{
    switch (type) {
    case VD_EXTENT_VMFSSPARSE:
        return VD_FILE_COWD;
    case VD_EXTENT_SESPARSE:
        return VD_FILE_SESPARSE;
    default:
        return VD_FILE_KDMV;
    }
}

const char *vd_file_kind_text(enum vd_file_kind kind)
{
    switch (kind) {
    case VD_FILE_DESCRIPTOR:
        return "a text descriptor";
    case VD_FILE_KDMV:
        return "a hosted sparse extent (KDMV)";
    case VD_FILE_COWD:
        return "an ESX sparse extent (COWD)";
    case VD_FILE_SESPARSE:
        return "a space-efficient sparse extent (SESparse)";
    case VD_FILE_CTK:
        return "a change tracking file (CTK)";
    case VD_FILE_INCOMPLETE_KDMV:
        return "an unfinished sparse file (\"kdmv\")";
    case VD_FILE_PLN:
        return "a plain disk's text of VMware 2 or 3";
    case VD_FILE_HOSTED_COWD:
        return "a hosted copy-on-write disk of VMware 2 or 3 (COWD)";
    case VD_FILE_OTHER:
        break;
    }
    return "raw data or something unknown";
}
