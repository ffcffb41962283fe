"""Closed formulas of science and engineering: elementary functions in the company they keep."""

import math
from collections import namedtuple

import numpy as np

from pool.entry import entry

Refraction = namedtuple("Refraction", ["angle", "transmitted"])


@entry(args=lambda rng: (48.1, 11.6))
def mercator(latitude, longitude):
    phi = math.radians(latitude)
    return math.log(math.tan(0.25 * math.pi + 0.5 * phi)), math.radians(longitude)


@entry(args=lambda rng: (0.84, 0.2, 0.66, 1.4))
def initial_bearing(lat1, lon1, lat2, lon2):
    east = math.sin(lon2 - lon1) * math.cos(lat2)
    north = math.cos(lat1) * math.sin(lat2) - math.sin(lat1) * math.cos(lat2) * math.cos(lon2 - lon1)
    return math.degrees(math.atan2(east, north)) % 360.0


@entry(args=lambda rng: (0.6, 1.0, 1.33))
def refraction(incidence, n1, n2):
    angle = math.asin(n1 / n2 * math.sin(incidence))
    amplitude = (math.tan(incidence) - math.tan(angle)) / (math.tan(incidence) + math.tan(angle))
    return Refraction(math.degrees(angle), 1.0 - amplitude * amplitude)


@entry(args=lambda rng: (0.8, 2.5, 1e-1))
def diffusion_profile(depth, time, diffusivity):
    return math.erfc(depth / (2.0 * math.sqrt(diffusivity * time))) + 0.1 * math.erf(depth)


@entry(args=lambda rng: (-0.7,))
def gaussian_error_unit(x):
    return 0.5 * x * (1.0 + math.erf(x / math.sqrt(2.0)))


@entry(args=lambda rng: (1.7, 2.3, 0.8))
def gamma_density(x, shape, scale):
    return x ** (shape - 1.0) * math.exp(-x / scale) / (math.gamma(shape) * scale**shape)


@entry(args=lambda rng: (0.9, 4.2))
def student_log_density(x, freedom):
    norm = math.lgamma(0.5 * (freedom + 1.0)) - math.lgamma(0.5 * freedom) - 0.5 * math.log(freedom * math.pi)
    return norm - 0.5 * (freedom + 1.0) * math.log1p(x * x / freedom)


@entry(args=lambda rng: (1.4, 0.6))
def catenary(span, parameter):
    sag = parameter * (math.cosh(span / (2.0 * parameter)) - 1.0)
    length = 2.0 * parameter * math.sinh(span / (2.0 * parameter))
    return sag * length + math.acosh(1.0 + sag / parameter) - math.asinh(length / (2.0 * parameter))


@entry(args=lambda rng: (430.0, 440.0))
def detuning_in_cents(frequency, reference):
    """The distance to the nearest semitone."""
    semitones = 12.0 * math.log2(frequency / reference)
    nearest = round(semitones)
    return 100.0 * (semitones - nearest) + np.rint(semitones) * math.exp2(nearest / 12.0)


@entry(args=lambda rng: (0.3, 0.02))
def sound_level(pressure, distance):
    return 20.0 * math.log10(pressure / 2e-5) - 20.0 * math.log10(1.0 + distance)


@entry(args=lambda rng: (-0.7, 0.4, 1.2))
def friction_force(velocity, coulomb, viscous):
    """Coulomb's part has the sign of the velocity."""
    stribeck = math.exp(-math.fabs(velocity))
    return -math.copysign(coulomb * (1.0 + stribeck), velocity) - viscous * velocity + np.copysign(velocity, coulomb)


@entry(args=lambda rng: (3.37, 0.8))
def triangle_wave(time, period):
    phase = time / period
    nearest = math.floor(phase + 0.5)
    return 2.0 * math.fabs(2.0 * (phase - nearest)) - 1.0 + (np.ceil(phase) - phase) * np.trunc(phase)


@entry(args=lambda rng: (0.6, 0.01))
def standard_rgb(light, shadow):
    """A power law joined to a line."""
    encoded = 1.055 * light ** (1.0 / 2.4) - 0.055 if light > 0.0031308 else 12.92 * light
    decoded = ((shadow + 0.055) / 1.055) ** 2.4 if shadow > 0.04045 else shadow / 12.92
    return encoded * decoded + light**1.5


@entry(args=lambda rng: (70.0, 3.0))
def scaling_laws(mass, radius):
    return np.cbrt(mass) ** 2 + mass**0.75 / radius**3 + np.cbrt(mass / radius)


@entry(args=lambda rng: (0.6, -0.2, 0.3))
def relative_velocity(a, b, boost):
    """Velocities add as hyperbolic angles."""
    rapidity = math.atanh(a) + math.atanh(b) - math.atanh(boost)
    return math.tanh(rapidity) * math.cosh(rapidity), math.atan(math.sinh(rapidity))


@entry(args=lambda rng: (3.0, 4.0, 4.5))
def triangle_angles(a, b, c):
    """The law of cosines, then the area by Heron."""
    gamma = math.acos((a * a + b * b - c * c) / (2.0 * a * b))
    s = 0.5 * (a + b + c)
    return gamma * math.sqrt(s * (s - a) * (s - b) * (s - c)) + max(a, b, c) - min(a, b, c)


@entry(args=lambda rng: (0.3, 0.9, 0.7))
def hue_of_colour(red, green, blue):
    """A chain of comparisons decides the sector."""
    top, low = max(red, green, blue), min(red, green, blue)
    if top == low:
        return 0.0
    if top == red:
        hue = (green - blue) / (top - low) % 6.0
    elif top == green:
        hue = (blue - red) / (top - low) + 2.0
    else:
        hue = (red - green) / (top - low) + 4.0
    return 60.0 * hue


@entry(args=lambda rng: (rng.normal(size=6), rng.normal(size=6), 0.9))
def layer_normalisation(x, shift, gain):
    return gain * (x - np.mean(x)) / np.sqrt(np.var(x) + 1e-5) + shift


@entry(args=lambda rng: (rng.uniform(0.2, 0.9, size=5),))
def reliability_of_parallel_parts(p):
    return 1.0 - np.prod(1.0 - p), np.min(p) * np.max(p), np.prod(np.clip(p, 0.3, 0.7))


@entry(args=lambda rng: (np.array([0.2, 1.4, -0.6, 2.2]),))
def quantised_signal(x):
    """Rounded values are constants; what they leave is not."""
    levels = np.empty_like(x)
    for i in range(len(x)):
        levels[i] = round(x[i])
    rest = x - levels
    return np.sum(rest * rest) + np.sum(np.sign(x) * levels * x)


@entry(args=lambda rng: (np.array([0, 1, 1, 2, 0, 2, 1]), 0.7, 1.3))
def state_machine(events, rise, fall):
    """`match` on an integer state that the events change."""
    state = 0
    level = 0.5
    for event in events:
        match state:
            case 0:
                level += rise
            case 1:
                level *= fall
            case _:
                level = level * level - rise
        state = (state + event) % 3
    return level
