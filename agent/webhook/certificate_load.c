#include "agent/webhook/certificate_load.h"

enum tls_server_loaded certificate_load(const struct webhook_settings *s, struct failure *failure) {
    const struct tls_server_files files = {.certificate = s->certificate,
                                           .key = s->key,
                                           .client_ca = s->client_ca[0] != '\0' ? s->client_ca : NULL};
    return tls_server_load(&files, failure);
}
