/* Texts out of STS's XML answers: a strict extractor, not an XML parser.
 *
 * What STS sends is one tree of elements in one default namespace, UTF-8, without prefixes. Everything else
 * that XML allows (document types, entities of one's own, CDATA, processing instructions, other encodings) is
 * refused. Source: XML 1.0, Namespaces in XML 1.0. No I/O, no memory. */
#ifndef POD_IDENTITY_TEXT_XML_H
#define POD_IDENTITY_TEXT_XML_H

#include <stddef.h>

#include "common/base/err.h"

#define XML_NAMESPACE_STS "https://sts.amazonaws.com/doc/2011-06-15/"
#define XML_DEPTH_MAX 16

/* Whether the whole text is such a tree, its root in that namespace. ERR_EMPTY, ERR_SYNTAX, ERR_TOO_DEEP,
 * ERR_TYPE (another namespace or encoding), ERR_CONTROL. */
enum err xml_check(const char *text, size_t len, const char *ns);

/* After xml_check(): the text of the element at that path of names ("A/B/C", A being the root; the first
 * where one is repeated), unescaped, blanks at both ends removed, into out. ERR_MISSING, ERR_EMPTY,
 * ERR_TOO_LONG, ERR_TYPE (it has child elements), ERR_CONTROL (a control character, or a NUL by reference).
 * On an error out is "". */
enum err xml_text(const char *text, size_t len, const char *path, char *out, size_t cap);

/* The same for a text that people read: line breaks and tabs within it become blanks. */
enum err xml_words(const char *text, size_t len, const char *path, char *out, size_t cap);

#endif
