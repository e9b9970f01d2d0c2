/* The files that are part of the program, byte for byte. The build gives their paths:
 * ASSETS_LABELS, ASSETS_CATALOGUE, ASSETS_DEMO_WEIGHTS, ASSETS_SAMPLE_IMAGE, ASSETS_OPENAPI,
 * ASSETS_PAGE. */

/* Read-only, page-aligned as mapped weight files are, and named start and end for assets.c. */
.macro asset name, path
    .balign 4096
    .globl assets_\name\()_start
    .hidden assets_\name\()_start
assets_\name\()_start:
    .incbin "\path"
    .globl assets_\name\()_end
    .hidden assets_\name\()_end
assets_\name\()_end:
.endm

    .section .rodata.assets, "a", %progbits
    asset labels, ASSETS_LABELS
    asset catalogue, ASSETS_CATALOGUE
    asset demo_weights, ASSETS_DEMO_WEIGHTS
    asset sample_image, ASSETS_SAMPLE_IMAGE
    asset openapi, ASSETS_OPENAPI
    asset page, ASSETS_PAGE

/* Without this note the linker would make the stack executable. */
    .section .note.GNU-stack, "", %progbits
