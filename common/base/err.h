/* What can go wrong inside the library, before it is put into words for a user (failure.h does that). */
#ifndef POD_IDENTITY_BASE_ERR_H
#define POD_IDENTITY_BASE_ERR_H

enum err {
    ERR_OK = 0,
    ERR_SYNTAX,   /* the input breaks its grammar */
    ERR_TOO_LONG, /* a named limit was exceeded; nothing was truncated */
    ERR_TOO_DEEP, /* nesting beyond a named limit */
    ERR_MISSING,  /* a required part is not there */
    ERR_EMPTY,    /* it is there, and has no content */
    ERR_TYPE,     /* it is there, and is of another type */
    ERR_RANGE,    /* a number, date or size that cannot be */
    ERR_CONTROL,  /* a control character where none may be */
    ERR_NOT_FILE, /* a directory, device or socket where a regular file is needed */
    ERR_SYSTEM    /* a system call failed; errno says how */
};

/* A short lower-case phrase that fits behind "X is wrong: ". Static storage, never NULL. */
const char *err_text(enum err e);

#endif
