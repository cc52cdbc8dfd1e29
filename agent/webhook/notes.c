#include "agent/webhook/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void notes_open(struct notes *notes) {
    notes->json = BUF(notes->text);
    notes->count = 0;
}

void notes_add(struct notes *notes, const char *format, ...) {
    char text[NOTE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (notes->count++ > 0)
        buf_char(&notes->json, ',');
    buf_json(&notes->json, text, strlen(text));
}
