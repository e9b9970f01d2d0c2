"""Pack image trees into the arrays that train.py reads.

prepare.py OUT_DIR CLASSES.tsv TREE...

Each TREE holds train/<wnid>/*.JPEG and val/<wnid>/*.JPEG; CLASSES.tsv is the table of labels.
Writes OUT_DIR/train.npz and OUT_DIR/val.npz.
"""
import glob
import os
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from PIL import Image

SIDE, CANVAS = 128, 160


def load(path):
    """The image with its shorter side at SIDE, the middle of its longer one, in the top left corner
    of a canvas; and its height and width there."""
    image = Image.open(path).convert("RGB")
    scale = SIDE / min(image.size)
    image = image.resize([max(SIDE, round(side * scale)) for side in image.size], Image.BILINEAR)
    width, height = (min(side, CANVAS) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    canvas = np.zeros((CANVAS, CANVAS, 3), np.uint8)
    canvas[:height, :width] = np.asarray(image.crop((left, top, left + width, top + height)))
    return canvas, height, width


def class_ids(table):
    """wnid -> class id."""
    with open(table, encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines][1:]
    return {wnid: int(class_id) for class_id, wnid, _ in rows}


def pack(paths, ids, out):
    """Write the images of `paths`, whose folder names their class."""
    with ProcessPoolExecutor() as pool:
        images = list(pool.map(load, paths, chunksize=64))
    np.savez(out, x=np.stack([image[0] for image in images]),
             s=np.array([image[1:] for image in images], np.int16),
             y=np.array([ids[os.path.basename(os.path.dirname(path))] for path in paths]))


def main():
    out_dir, table, *trees = sys.argv[1:]
    ids = class_ids(table)
    for split in ("train", "val"):
        paths = sorted(path for tree in trees for path in glob.glob(f"{tree}/{split}/*/*.JPEG"))
        pack(paths, ids, f"{out_dir}/{split}.npz")
        print(split, len(paths))


if __name__ == "__main__":
    main()
