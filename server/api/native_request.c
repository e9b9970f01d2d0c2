#include "server/api/native_request.h"

#include <stdlib.h>
#include <string.h>

#include "model/base/alloc.h"

/* Browsers and proxies stop at about as much. */
enum { MAX_URL_BYTES = 8192, MAX_FILE_BYTES = 4096 };

enum status native_request_init(struct native_request *request, size_t max_images,
                                struct error *error)
{
    *request = (struct native_request){
        .max_images = max_images,
        .images = alloc_array(max_images, sizeof *request->images, SIZE_MAX),
    };
    if (!request->images)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu images", max_images);
    return STATUS_OK;
}

void native_request_fini(struct native_request *request)
{
    for (size_t i = 0; i < request->count; i++) {
        blob_release(request->images[i].blob);
        free(request->images[i].url);
        free(request->images[i].file);
    }
    free(request->images);
    *request = (struct native_request){0};
}

/* A slot for one more; NULL where there are too many. */
static struct native_image *add(struct native_request *request, struct problem *problem)
{
    if (request->count < request->max_images)
        return &request->images[request->count++];
    problem_set(problem, PROBLEM_TOO_MANY_IMAGES,
                "more than the %zu images that one request may carry", request->max_images);
    return NULL;
}

static bool copy(const char *text, size_t limit_bytes, char **ret_copy, struct problem *problem)
{
    *ret_copy = alloc_string(text, limit_bytes);
    if (!*ret_copy)
        problem_set(problem, PROBLEM_OVERLOADED, "no memory for a request; try again");
    return *ret_copy;
}

bool native_request_add_bytes(struct native_request *request, struct blob *blob, struct span bytes,
                              const char *file, struct problem *problem)
{
    struct native_image *image = add(request, problem);
    if (!image)
        return false;
    image->blob = blob_retain(blob);
    image->bytes = bytes;
    return !file || copy(file, MAX_FILE_BYTES + 1, &image->file, problem);
}

bool native_request_add_url(struct native_request *request, const char *url,
                            struct problem *problem)
{
    size_t length = strlen(url);
    if (length == 0 || length > MAX_URL_BYTES) {
        problem_set(problem, PROBLEM_BAD_REQUEST, "a URL must have 1 to %d bytes, this one has %zu",
                    MAX_URL_BYTES, length);
        return false;
    }
    struct native_image *image = add(request, problem);
    return image && copy(url, MAX_URL_BYTES + 1, &image->url, problem);
}

bool native_request_add_field(struct native_request *request, const char *kind, const char *name,
                              const char *value, struct problem *problem)
{
    static const char *const others[] = {"url", NULL};
    if (strcmp(name, "url") == 0)
        return native_request_add_url(request, value, problem);
    if (parameters_has_name(name))
        return parameters_set_text(&request->parameters, name, value, problem);
    if (strcmp(name, "image") == 0)
        problem_set(problem, PROBLEM_BAD_REQUEST,
                    "image cannot be a %s of this kind; to send a file: curl -F image=@dog.jpg, or "
                    "curl --data-binary @dog.jpg",
                    kind);
    else
        parameters_refuse_name(name, kind, others, problem);
    return false;
}
