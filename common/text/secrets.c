#include "common/text/secrets.h"

#include <string.h>

static struct secret_holder *first;

void secrets_hold(struct secret_holder *holder) {
    struct secret_holder **at = &first;
    while (*at != NULL && *at != holder)
        at = &(*at)->next;
    if (*at == holder)
        return;
    holder->next = NULL;
    *at = holder;
}

void secrets_each(secrets_take *take, void *context) {
    for (struct secret_holder *h = first; h != NULL; h = h->next) {
        if (h->visit != NULL)
            h->visit(h, take, context);
        else if (h->text != NULL)
            take(context, h->text, strlen(h->text));
    }
}
