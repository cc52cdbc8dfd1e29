/* Times as text: RFC 3339, strictly, and back. No time zone database, no locale. */
#ifndef POD_IDENTITY_BASE_TIMEFMT_H
#define POD_IDENTITY_BASE_TIMEFMT_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define TIME_UTC_MAX 21    /* "YYYY-MM-DDTHH:MM:SSZ" and its NUL */
#define TIME_BASIC_MAX 17  /* "YYYYMMDDTHHMMSSZ" and its NUL */
#define TIME_YEAR_MIN 1970 /* what is earlier cannot be an expiry */
#define TIME_YEAR_MAX 9999

/* Parses an RFC 3339 date-time (years 1970 to 9999, with 'T', optional fraction of 1 to 9 digits, 'Z' or a
 * numeric zone) into milliseconds since the epoch; a finer fraction is cut. A leap second (":60") is taken as
 * the next second. text need not be terminated. ERR_SYNTAX, or ERR_RANGE for a date that does not exist. */
enum err time_parse_rfc3339(const char *text, size_t len, int64_t *unix_ms);

/* Writes whole UTC seconds, "2026-11-23T12:00:00Z". A time outside the years above is shown at the nearer
 * bound. */
void time_format_utc(int64_t unix_s, char out[TIME_UTC_MAX]);

/* The same as "20261123T120000Z", as SigV4 wants it. */
void time_format_basic(int64_t unix_s, char out[TIME_BASIC_MAX]);

/* The date of an HTTP answer, "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7, the one form that servers send
 * now), in seconds since the epoch. */
enum err time_parse_http(const char *text, size_t len, int64_t *unix_s);

/* Durations for options: a whole number and one of ms, s, m, h ("500ms", "5s"), or a plain 0. At most 10,000
 * hours. */
enum err time_parse_duration(const char *text, int64_t *ms);

#define TIME_DURATION_MAX 24 /* bytes for the longest duration as text, and its NUL */
/* The largest unit that shows the value exactly, "90s" and not "1m30s": what is printed can be typed. */
void time_format_duration(int64_t ms, char out[TIME_DURATION_MAX]);

/* For messages to people, "5h 12m", "3m 20s", "45s", "0.4s": two units at most. */
void time_format_rough(int64_t ms, char out[TIME_DURATION_MAX]);

#endif
