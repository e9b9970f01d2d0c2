/* The body of a request to /classify: what kind it is, and what it asks for. */
#ifndef CLASSIFYD_SERVER_API_NATIVE_BODY_H
#define CLASSIFYD_SERVER_API_NATIVE_BODY_H

#include "server/api/native_request.h"

/* Reads a body (never empty) into `request`, which may hold images and parameters of the query
 * already. An image's first bytes win over Content-Type (NULL: none), then come
 * multipart/form-data, JSON (by its type, or a body that begins with "{") and a form. Images that
 * came as base64 are charged to `budget`. False: `problem` says why. */
bool native_body_read(struct blob *body, const char *content_type, struct budget *budget,
                      struct native_request *request, struct problem *problem);

#endif
