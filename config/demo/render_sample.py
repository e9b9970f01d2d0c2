"""Render the sample photograph: a golf ball in the grass.

render_sample.py OUT.jpg [SEED]

No photograph went into it: the ball is a shaded sphere with dimples on a Fibonacci lattice, the
grass some thousand blades drawn from far to near. The same seed gives the same picture.
"""
import math
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT, OVERSAMPLING = 500, 375, 3
BALL_X, BALL_Y, BALL_RADIUS = 0.52, 0.50, 0.265  # of the width, the height, the height
BALL_DEPTH = 0.62  # 0 the horizon, 1 the lens
DIMPLES, DIMPLE_ANGLE, DIMPLE_SLOPE = 340, 0.098, 0.55
SUN = np.array([-0.55, 0.72, 0.62]) / np.linalg.norm([-0.55, 0.72, 0.62])


def dimple_centres():
    """Points spread evenly over the sphere."""
    i = np.arange(DIMPLES) + 0.5
    height = 1 - 2 * i / DIMPLES
    turn = i * math.pi * (3 - math.sqrt(5))
    ring = np.sqrt(1 - height ** 2)
    lattice = np.stack([ring * np.cos(turn), height, ring * np.sin(turn)], 1)
    tilt = 0.9  # turns the lattice's pole, which looks odd, away from the lens
    rotation = np.array([[1, 0, 0], [0, math.cos(tilt), -math.sin(tilt)],
                         [0, math.sin(tilt), math.cos(tilt)]])
    return lattice @ rotation.T


def ball(radius_px):
    """The ball in its square: RGBA, lit by the sun, the sky above and the grass below."""
    side = 2 * radius_px
    y, x = np.mgrid[0:side, 0:side]
    x, y = (x + 0.5) / radius_px - 1, 1 - (y + 0.5) / radius_px
    inside = x ** 2 + y ** 2 < 1
    z = np.sqrt(np.where(inside, 1 - x ** 2 - y ** 2, 0))
    normal = np.stack([x, y, z], -1)

    cosines = normal.reshape(-1, 3) @ dimple_centres().T
    nearest = cosines.argmax(1)
    angle = np.arccos(np.clip(cosines.max(1), -1, 1))
    away = normal.reshape(-1, 3) - dimple_centres()[nearest] * cosines.max(1)[:, None]
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    depth = np.clip(angle / DIMPLE_ANGLE, 0, 1)
    slope = DIMPLE_SLOPE * np.sin(depth * math.pi) * (angle < DIMPLE_ANGLE)
    bumped = normal.reshape(-1, 3) - slope[:, None] * away
    bumped = (bumped / np.linalg.norm(bumped, axis=1, keepdims=True)).reshape(normal.shape)

    sun = np.clip(bumped @ SUN, 0, 1) * np.clip(4 * (normal @ SUN) + 0.6, 0, 1)
    sky = 0.5 + 0.5 * bumped[..., 1]
    halfway = (SUN + [0, 0, 1]) / np.linalg.norm(SUN + [0, 0, 1])
    gloss = np.clip(bumped @ halfway, 0, 1) ** 60
    dark_below = np.clip(0.55 + 0.6 * (y + 0.9), 0, 1)
    colour = (sun[..., None] * [0.72, 0.69, 0.62]
              + (sky * dark_below)[..., None] * [0.27, 0.30, 0.35]
              + ((1 - sky) * dark_below)[..., None] * [0.11, 0.16, 0.05]
              + gloss[..., None] * 0.25)
    edge = np.clip((1 - np.sqrt(x ** 2 + y ** 2)) * radius_px, 0, 1)
    rgba = np.concatenate([np.clip(colour, 0, 1) ** (1 / 1.25), edge[..., None]], -1)
    return Image.fromarray((rgba * 255).round().astype(np.uint8), "RGBA")


def meadow(width, height):
    """What is behind the blades: dim trees out of focus, then the lawn."""
    y = np.linspace(0, 1, height)[:, None, None]
    stops = [0.0, 0.16, 0.24, 1.0]
    colours = np.array([[46, 66, 38], [72, 98, 46], [104, 138, 58], [40, 66, 18]])
    rows = np.stack([np.interp(y[:, 0, 0], stops, colours[:, c]) for c in range(3)], -1)
    picture = np.broadcast_to(rows[:, None], (height, width, 3))
    return Image.fromarray(picture.round().astype(np.uint8))


def blade(draw, rng, x, y, length, light):
    """One blade from its root, bent to a side, lighter towards its tip."""
    bend, lean = rng.normal(0, 0.35), rng.normal(0, 0.18)
    thickness = max(1.0, length * rng.uniform(0.035, 0.06))
    hue = rng.uniform(0, 1)
    base = np.array([52 + 40 * hue, 96 + 26 * hue, 22 + 12 * hue]) * light * rng.uniform(0.65, 1.25)
    steps = 6
    for step in range(steps):
        points = []
        for at in (step / steps, (step + 1) / steps):
            points.append((x + length * (lean * at + bend * at * at),
                           y - length * at * (1 - 0.15 * at)))
        share = (step + 0.5) / steps
        colour = tuple(int(min(255, c)) for c in base * (0.45 + 0.75 * share))
        draw.line(points, fill=colour, width=max(1, round(thickness * (1 - 0.75 * share))))


def grass(picture, rng, near, far, blades, shadow_at):
    """Blades with roots between two depths, far ones first; `shadow_at` dims some."""
    width, height = picture.size
    draw = ImageDraw.Draw(picture)
    for depth in np.sort(rng.uniform(far, near, blades)):
        x = rng.uniform(-0.05, 1.05) * width
        y = height * (0.2 + 0.95 * depth ** 1.4)
        length = height * (0.02 + 0.16 * depth ** 1.5) * rng.uniform(0.6, 1.3)
        blade(draw, rng, x, y, length, (0.9 + 0.25 * depth) * shadow_at(x, y))


def render(seed):
    """The picture at its final size."""
    rng = np.random.default_rng(seed)
    width, height = WIDTH * OVERSAMPLING, HEIGHT * OVERSAMPLING
    radius = round(BALL_RADIUS * height)
    left, top = round(BALL_X * width) - radius, round(BALL_Y * height) - radius
    foot_x, foot_y = left + 1.3 * radius, top + 1.95 * radius

    def shadow_at(x, y):
        distance = math.hypot((x - foot_x) / (1.25 * radius), (y - foot_y) / (0.55 * radius))
        return 0.38 + 0.62 * min(1.0, max(0.0, distance - 0.45) / 0.7)

    picture = meadow(width, height)
    behind = (0.12, 0.0, 2500, 9), (0.3, 0.1, 4000, 5), (0.48, 0.27, 4500, 2)
    for near, far, blades, blur in behind:
        grass(picture, rng, near, far, blades, shadow_at)
        picture = picture.filter(ImageFilter.GaussianBlur(blur * OVERSAMPLING / 3))
    grass(picture, rng, BALL_DEPTH, 0.45, 5000, shadow_at)
    picture.paste(ball(radius), (left, top), ball(radius))
    grass(picture, rng, 0.8, BALL_DEPTH, 3000, shadow_at)
    grass(picture, rng, 1.0, 0.8, 1500, lambda x, y: 1.0)
    picture = picture.resize((WIDTH, HEIGHT), Image.LANCZOS)
    noise = rng.normal(0, 2.5, (HEIGHT, WIDTH, 1))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).round().astype(np.uint8))


if __name__ == "__main__":
    sample = render(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    sample.save(sys.argv[1], quality=88, optimize=True)
