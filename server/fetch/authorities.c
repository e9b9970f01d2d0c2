#include "server/fetch/authorities.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum status authorities_check_file(const char *path, struct error *error)
{
    if (access(path, R_OK) != 0)
        return error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
    X509_STORE *store = X509_STORE_new();
    if (!store)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %s", path);
    bool is_read = X509_STORE_load_file(store, path) == 1;
    X509_STORE_free(store);
    /* What OpenSSL noted of it would turn up as the reason of a later failure. */
    ERR_clear_error();
    return is_read ? STATUS_OK
                   : error_set(error, STATUS_IO, "%s: holds no certificate in PEM", path);
}
