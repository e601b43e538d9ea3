"""Models that a search has something to find in."""

from engine_models import Chain
from graphs import Net

from tflite_requant.model import Model


def residual() -> Model:
    """Blocks as mobile networks have them, an addition over one of them."""
    net = Chain("uint8", 8, 8, 3).conv(4, 3).depthwise().conv(6, relu=False)
    middle = net.last
    net.conv(12).depthwise().conv(6, relu=False).add(middle).conv(8).depthwise(stride=2)
    return net.conv(5).pool(4).dense(7).build()


def small() -> Model:
    """A block with an addition, and a classifier's last layer."""
    net = Chain("uint8", 6, 6, 3, seed=2).conv(8, 3).depthwise().conv(6, relu=False)
    middle = net.last
    return net.conv(6, relu=False).add(middle).dense(10).build()


def branches() -> Model:
    """Two convolutions of one input, joined; a pool and SOFTMAX, and an addition as 2nd output."""
    net = Net()
    x, a, b, s = (
        net.act("x"),
        net.act("a", 6 / 255, 0),
        net.act("b", 8 / 255, 0),
        net.act("s", 0.05),
    )
    c = net.act("c", 6 / 255, 0, 4)
    p, q = (net.act(n, k, 0, 4, (1, 1, 1, 4)) for n, k in (("p", 6 / 255), ("q", 1 / 256)))
    net.conv(x, a, "RELU6")
    net.conv(x, b)
    net.operator("ADD", (a, x), (s,))
    net.operator("CONCATENATION", (a, b), (c,), {"axis": 3})
    pool = {"padding": "VALID", "stride_w": 1, "stride_h": 1, "filter_width": 4, "filter_height": 4}
    net.operator("AVERAGE_POOL_2D", (c,), (p,), pool)
    net.operator("SOFTMAX", (p,), (q,), {"beta": 1.0})
    return net.build((x,), (q, s))
