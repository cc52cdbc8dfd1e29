/* The secrets that this process holds, so that no text of another shows one of them again.
 *
 * Nothing is copied: whoever keeps a secret says so once, and is asked for it whenever a text is looked at.
 */
#ifndef POD_IDENTITY_TEXT_SECRETS_H
#define POD_IDENTITY_TEXT_SECRETS_H

#include <stddef.h>

typedef void secrets_take(void *context, const char *text, size_t len);

/* Lives as long as the process. Set `text` (NUL-terminated; may be empty, and may change), or `visit`, which
 * calls take() for each secret there is at that moment. */
struct secret_holder {
    const char *text;
    void (*visit)(struct secret_holder *holder, secrets_take *take, void *context);
    struct secret_holder *next;
};

/* Harmless if it is held already. */
void secrets_hold(struct secret_holder *holder);
void secrets_each(secrets_take *take, void *context);

#endif
