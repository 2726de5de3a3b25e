/* SPDX-License-Identifier: Apache-2.0 */
/* Thumbprints as people write them, and certificates of our own making as OpenSSL's tool reads
 * them. */
#include "net/tls.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness.h"

static const struct vd_tls_peer PEER = {
    .sha1 = "01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67",
    .sha256 = "FF:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:"
              "01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF",
};

VD_TEST(a_thumbprint_matches_however_it_is_written)
{
    check(vd_tls_thumbprint_matches(PEER.sha1, &PEER));
    check(vd_tls_thumbprint_matches("0123456789abcdef0123456789abcdef01234567", &PEER));
    check(vd_tls_thumbprint_matches("01 23 45 67 89 ab cd ef 01 23 45 67 89 ab cd ef 01 23 45 67",
                                    &PEER));
    check(vd_tls_thumbprint_matches(PEER.sha256, &PEER));
}

VD_TEST(another_thumbprint_does_not_match)
{
    check(!vd_tls_thumbprint_matches("0123456789abcdef0123456789abcdef01234568", &PEER));
    check(!vd_tls_thumbprint_matches("0123456789abcdef0123456789abcdef012345", &PEER));
    check(!vd_tls_thumbprint_matches("12", &PEER));
    check(!vd_tls_thumbprint_matches("", &PEER));
    check(!vd_tls_thumbprint_matches("", &(const struct vd_tls_peer){"", ""}));
}

VD_TEST(what_is_no_thumbprint_is_told)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_tls_thumbprint_check(PEER.sha1, &err), VD_OK, &err);
    check_code_err(vd_tls_thumbprint_check(PEER.sha256, &err), VD_OK, &err);
    check_code(vd_tls_thumbprint_check("12", &err), VD_E_INVALID_ARG);
    check_str_has(err.text, "'12'");
    check_code(vd_tls_thumbprint_check("zz:zz", NULL), VD_E_INVALID_ARG);
    check_code(vd_tls_thumbprint_check("0123456789012345678901234567890123456789"
                                       "01234567890123456789012345678901234567890",
                                       NULL),
               VD_E_INVALID_ARG);
}

/* What OpenSSL's own tool says of a certificate. */
static void openssl_says(const char *option, const char *value, const char *file, char *said,
                         size_t size)
{
    int ends[2];
    check_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (dup2(ends[1], STDOUT_FILENO) >= 0)
            (void)execlp("openssl", "openssl", "x509", "-noout", "-in", file, option, value,
                         (char *)NULL);
        _exit(127);
    }
    check(pid > 0);
    (void)close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while (length + 1 < size && (got = read(ends[0], said + length, size - 1 - length)) > 0)
        length += (size_t)got;
    said[length] = '\0';
    (void)close(ends[0]);
    check_int_eq(waitpid(pid, NULL, 0), pid);
}

VD_TEST(a_certificate_of_ours_is_one)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_tls_peer peer;
    struct stat key;
    char said[300];
    const char *certificate_file = test_path("c.pem");
    check_code_err(vd_tls_make_identity("esx1.test", certificate_file, test_path("k.pem"), &err),
                   VD_OK, &err);
    check_code_err(vd_tls_file_thumbprints(certificate_file, &peer, &err), VD_OK, &err);
    openssl_says("-fingerprint", "-sha1", certificate_file, said, sizeof said);
    check_str_has(said, peer.sha1);
    openssl_says("-fingerprint", "-sha256", certificate_file, said, sizeof said);
    check_str_has(said, peer.sha256);
    openssl_says("-checkhost", "esx1.test", certificate_file, said, sizeof said);
    check_str_has(said, "does match");
    openssl_says("-checkip", "127.0.0.1", certificate_file, said, sizeof said);
    check_str_has(said, "does match");
    check_int_eq(stat(test_path("k.pem"), &key), 0);
    check_int_eq(key.st_mode & 077, 0);
}

VD_TEST(a_file_without_certificate_is_told)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_tls_peer peer;
    check_code(vd_tls_file_thumbprints(test_path("none"), &peer, &err), VD_E_NOT_FOUND);
    vd_error_clear(&err);
    check_code(vd_tls_file_thumbprints("/dev/null", &peer, &err), VD_E_FILE_TYPE);
    check_str_has(err.text, "holds no PEM certificate");
}
