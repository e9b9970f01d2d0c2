/* The files that the program carries in itself, so that it answers from the first minute with no
 * network and nothing installed. */
#ifndef CLASSIFYD_SERVER_WEB_ASSETS_H
#define CLASSIFYD_SERVER_WEB_ASSETS_H

#include "model/base/span.h"

/* Constant bytes that live as long as the program. Any thread. */
struct span assets_labels(void);       /* config/labels/imagenet_classes.tsv */
struct span assets_catalogue(void);    /* config/models.json */
struct span assets_demo_weights(void); /* config/demo/demo.safetensors */
struct span assets_sample_image(void); /* config/demo/sample.jpg */
struct span assets_openapi(void);      /* openapi.json */
struct span assets_page(void); /* page.html with its style and script in it: text/html, UTF-8 */

#endif
