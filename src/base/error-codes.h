/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of error codes: X(name, parent, errno, VixError, text).
 *
 * `parent` is the broader class a caller may test for with vd_error_is(); the first group are their
 * own parents. The errno and VixError are what each surface reports. The text is the short English
 * form for a code that carries no sentence of its own. VixError numbers and the sense of their
 * texts: public VDDK 7.0 interface (PROVENANCE.md).
 *
 * Order is meaningless outside the project; codes are only compared by name.
 */
#ifndef VD_BASE_ERROR_CODES_H
#define VD_BASE_ERROR_CODES_H

#include <errno.h>

/* clang-format off */
#define VD_ERRORS_GENERAL(X)                                                                       \
    X(FAIL,             FAIL,          EIO,          1,     "operation failed")                    \
    X(NO_MEMORY,        NO_MEMORY,     ENOMEM,       2,     "out of memory")                       \
    X(INVALID_ARG,      INVALID_ARG,   EINVAL,       3,     "invalid argument")                    \
    X(NOT_FOUND,        NOT_FOUND,     ENOENT,       4,     "file not found")                      \
    X(BUSY,             BUSY,          EBUSY,        5,     "object is busy")                      \
    X(NOT_SUPPORTED,    NOT_SUPPORTED, ENOTSUP,      6,     "not supported")                       \
    X(IO,               IO,            EIO,          7,     "input/output error")                  \
    X(DISK_FULL,        IO,            ENOSPC,       8,     "no space left")                       \
    X(FILE_TYPE,        FILE_TYPE,     EINVAL,       9,     "wrong type of file")                  \
    X(CANCELLED,        CANCELLED,     ECANCELED,    10,    "cancelled")                           \
    X(READ_ONLY,        READ_ONLY,     EROFS,        11,    "read-only")                           \
    X(EXISTS,           EXISTS,        EEXIST,       12,    "file exists")                         \
    X(ACCESS,           ACCESS,        EACCES,       13,    "access denied")                       \
    X(LOCKED,           LOCKED,        EBUSY,        15,    "file is in use")                      \
    X(TOO_BIG,          TOO_BIG,       EFBIG,        21,    "too large for the file system")       \
    X(NAME_INVALID,     INVALID_ARG,   EINVAL,       22,    "invalid file name")                   \
    X(BUFFER_TOO_SMALL, INVALID_ARG,   ERANGE,       24,    "buffer is too small")                 \
    X(INVALID_UTF8,     INVALID_ARG,   EILSEQ,       27,    "invalid UTF-8")                       \
    X(NOT_INITIALISED,  FAIL,          EINVAL,       16001, "library is not initialised")          \
    X(OUT_OF_RANGE,     OUT_OF_RANGE,  ERANGE,       16007, "beyond the end of the disk")          \
    X(TOO_MANY_FILES,   TOO_MANY_FILES, EMFILE,      16027, "too many open files")                 \
    X(KEY_NOT_FOUND,    KEY_NOT_FOUND, ENOENT,       16052, "no such key in the disk database")    \
    X(INVALID_CONNECTION, INVALID_ARG, EINVAL,       16054, "not a connection")                    \
    X(NAME_TOO_LONG,    INVALID_ARG,   ENAMETOOLONG, 20004, "file name too long")                  \
    X(OUTSIDE_FOLDER,   ACCESS,        EACCES,       13,    "path leaves the disk's folder")

/* What a file is. NOT_A_DISK: nothing here describes a disk. DAMAGED: it is a disk, with broken parts. */
#define VD_ERRORS_DISK(X)                                                                          \
    X(NOT_A_DISK,       NOT_A_DISK,    EINVAL,       16063, "not a virtual disk")                  \
    X(DAMAGED,          DAMAGED,       EIO,          16006, "the virtual disk is damaged")         \
    X(TRUNCATED,        DAMAGED,       EIO,          16006, "the file ends too early")             \
    X(CANT_REPAIR,      DAMAGED,       EIO,          16062, "damage that cannot be repaired")      \
    X(VERSION,          VERSION,       ENOTSUP,      16011, "unsupported version")                 \
    X(DISK_FEATURE,     NOT_SUPPORTED, ENOTSUP,      16013, "unsupported disk feature")            \
    X(ENCRYPTED,        NOT_SUPPORTED, ENOKEY,       30,    "the disk is encrypted")               \
    X(DATA_EXTENT,      NOT_A_DISK,    EINVAL,       16063, "a data extent, not a descriptor")     \
    X(CHANGE_TRACKING,  NOT_A_DISK,    EINVAL,       16063, "a change tracking file, not a disk")  \
    X(INCOMPLETE,       NOT_A_DISK,    EINVAL,       16063, "left behind by an interrupted tool")  \
    X(TEXT_MODE,        NOT_A_DISK,    EINVAL,       16063, "damaged by a text-mode transfer")

#define VD_ERRORS_DESCRIPTOR(X)                                                                    \
    X(DESC_SYNTAX,      NOT_A_DISK,    EINVAL,       16063, "malformed descriptor line")           \
    X(DESC_TOO_LARGE,   NOT_A_DISK,    EINVAL,       16063, "descriptor too large")                \
    X(DESC_NO_VERSION,  NOT_A_DISK,    EINVAL,       16063, "descriptor has no version")           \
    X(DESC_NO_EXTENT,   NOT_A_DISK,    EINVAL,       16063, "descriptor has no extent")            \
    X(DESC_EXTENT,      NOT_A_DISK,    EINVAL,       16063, "malformed extent line")               \
    X(DESC_EXTENT_TYPE, NOT_SUPPORTED, ENOTSUP,      16013, "unsupported extent type")             \
    X(DESC_CAPACITY,    NOT_A_DISK,    EINVAL,       16063, "impossible capacity")                 \
    X(DESC_ENCODING,    NOT_A_DISK,    EILSEQ,       16061, "unusable text encoding")

#define VD_ERRORS_SPARSE(X)                                                                        \
    X(KDMV_GRAIN_SIZE,  NOT_A_DISK,    EINVAL,       16063, "illegal grain size")                  \
    X(KDMV_TABLE_SIZE,  NOT_A_DISK,    EINVAL,       16063, "illegal grain table length")          \
    X(KDMV_CAPACITY,    NOT_A_DISK,    EINVAL,       16063, "illegal extent capacity")             \
    X(KDMV_FLAGS,       NOT_SUPPORTED, ENOTSUP,      16013, "unknown incompatible flags")          \
    X(KDMV_COMPRESSION, NOT_SUPPORTED, ENOTSUP,      16013, "unknown compression")                 \
    X(KDMV_OFFSET,      DAMAGED,       EIO,          16006, "metadata outside the file")           \
    X(GD_TOO_LARGE,     NOT_A_DISK,    EINVAL,       16063, "grain directory too large")           \
    X(GDE,              DAMAGED,       EIO,          16006, "bad grain directory entry")           \
    X(GTE,              DAMAGED,       EIO,          16006, "bad grain table entry")               \
    X(STREAM_FOOTER,    DAMAGED,       EIO,          16006, "footer missing or unlike the header") \
    X(STREAM_MARKER,    DAMAGED,       EIO,          16006, "bad stream marker")                   \
    X(GRAIN_RECORD,     DAMAGED,       EIO,          16006, "bad compressed grain record")         \
    X(GRAIN_INFLATE,    DAMAGED,       EIO,          16006, "compressed grain does not inflate")   \
    X(COWD_HEADER,      NOT_A_DISK,    EINVAL,       16063, "impossible COWD header")              \
    X(SESPARSE_HEADER,  NOT_A_DISK,    EINVAL,       16063, "impossible SESparse header")          \
    X(SESPARSE_JOURNAL, DAMAGED,       EIO,          16006, "SESparse journal was not replayed")   \
    X(KDMV_MARKERS,     NOT_A_DISK,    EINVAL,       16063, "markers without compression")         \
    X(KDMV_DESCRIPTOR,  NOT_A_DISK,    EINVAL,       16063, "embedded descriptor outside the file")

#define VD_ERRORS_CHAIN(X)                                                                         \
    X(PARENT_MISSING,   PARENT_MISSING, ENOENT,      16012, "parent not found")                    \
    X(PARENT_OPEN,      PARENT_MISSING, EIO,         16012, "parent cannot be opened")             \
    X(CID_MISMATCH,     CID_MISMATCH,  ESTALE,       16008, "parent changed since the child was made") \
    X(CHAIN_LOOP,       DAMAGED,       ELOOP,        16030, "the chain of parents is a loop")      \
    X(CANT_SHRINK,      NOT_SUPPORTED, ENOTSUP,      16009, "the disk cannot be shrunk")           \
    X(CAPACITY_DIFFERS, INVALID_ARG,   EINVAL,       16067, "parent and child differ in capacity") \
    X(PARENT_TYPE,      NOT_SUPPORTED, ENOTSUP,      16068, "the disk cannot be a parent")         \
    X(ATTACH_ROOT,      INVALID_ARG,   EINVAL,       16069, "the disk is not a child")             \
    X(CHAIN_TOO_LONG,   NOT_SUPPORTED, ELOOP,        16028, "too many links in the chain")         \
    X(PARTIAL_CHAIN,    PARTIAL_CHAIN, ENXIO,        16003, "needs the parent, which is not open") \
    X(MIXED_CHAIN,      NOT_SUPPORTED, ENOTSUP,      16030, "links on this machine and on a server")

/* The way to another machine, and what answers there. */
#define VD_ERRORS_NET(X)                                                                           \
    X(HOST_UNKNOWN,     HOST_UNKNOWN,  EHOSTUNREACH, 14008, "no such host")                        \
    X(UNREACHABLE,      UNREACHABLE,   EHOSTUNREACH, 14008, "the host cannot be reached")          \
    X(REFUSED,          REFUSED,       ECONNREFUSED, 14009, "the host refuses the connection")     \
    X(TIMED_OUT,        TIMED_OUT,     ETIMEDOUT,    14010, "the host did not answer in time")     \
    X(CONNECT_TIMED_OUT, TIMED_OUT,    ETIMEDOUT,    14009, "the host did not answer in time")     \
    X(DISCONNECTED,     DISCONNECTED,  ECONNRESET,   14011, "the connection was lost")             \
    X(PROTOCOL,         PROTOCOL,      EPROTO,       14006, "the peer broke the protocol")         \
    X(TLS,              TLS,           EPROTO,       30035, "no secure connection")                \
    X(CERTIFICATE,      TLS,           EKEYREJECTED, 1,     "the host's certificate is not trusted") \
    X(HTTP_STATUS,      HTTP_STATUS,   EPROTO,       30022, "the server answered with an error")   \
    X(LOGIN,            ACCESS,        EACCES,       3014,  "the login was refused")               \
    X(NO_PERMISSION,    ACCESS,        EACCES,       3014,  "a privilege is missing")              \
    X(DISABLED,         DISABLED,      EBUSY,        20005, "somebody else holds the machine")     \
    X(SNAPSHOT_NEEDED,  ACCESS,        EBUSY,        13,    "a snapshot is needed")                \
    X(SNAPSHOT_GONE,    NOT_FOUND,     ENOENT,       13003, "no such snapshot")                    \
    X(VM_NOT_FOUND,     NOT_FOUND,     ENOENT,       4000,  "no such virtual machine")             \
    X(CHANGE_ID,        CHANGE_ID,     ESTALE,       3,     "changes cannot be told")              \
    X(LICENSE,          NOT_SUPPORTED, EPERM,        16064, "the host's license does not allow it")

#define VD_ERROR_CODES(X)                                                                          \
    VD_ERRORS_GENERAL(X) VD_ERRORS_DISK(X) VD_ERRORS_DESCRIPTOR(X) VD_ERRORS_SPARSE(X)             \
    VD_ERRORS_CHAIN(X) VD_ERRORS_NET(X)
/* clang-format on */

#endif
