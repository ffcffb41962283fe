"""`python -m numbad`: differentiates a built-in simulation and shows what came out and what it cost."""

import sys

from numbad.demo import main

sys.exit(main())
