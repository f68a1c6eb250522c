# mypy: ignore-errors
"""Does the shop do what its users need? Run by the workflow: `python3 test_shop.py`."""

import json
import socket
import subprocess
import sys
import time
import unittest
from http.client import HTTPConnection

JSON = {"content-type": "application/json"}


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Shop(unittest.TestCase):
    """One real instance, asked over HTTP."""

    @classmethod
    def setUpClass(cls):
        """Start it, and wait until it is ready."""
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", "shop:app", "--port", str(port)]
        cls.process = subprocess.Popen([*command, "--log-level", "warning"])
        cls.port = port
        for _ in range(600):
            try:
                if cls.ask("/health/ready")[0] == 200:
                    return
            except OSError:
                time.sleep(0.1)
        cls.tearDownClass()
        raise TimeoutError("the shop was not ready within 60 s")

    @classmethod
    def tearDownClass(cls):
        """Stop it."""
        cls.process.terminate()
        cls.process.wait(30)

    @classmethod
    def ask(cls, path, body=None):
        """The status and the JSON of one request; with a body it is a POST."""
        data = None if body is None else json.dumps(body)
        connection = HTTPConnection("127.0.0.1", cls.port, timeout=10)
        try:
            connection.request("GET" if data is None else "POST", path, data, JSON)
            answer = connection.getresponse()
            return answer.status, json.load(answer)
        finally:
            connection.close()

    def test_the_catalogue_has_pages(self):
        """Two pages, no product twice."""
        first, second = self.ask("/products")[1], self.ask("/products?page=2")[1]
        skus = {p["sku"] for p in first["products"] + second["products"]}
        assert skus == set(range(1, 41))

    def test_one_product(self):
        """A known product is shown, an unknown one is a 404."""
        status, product = self.ask("/products/7")
        assert (status, product["sku"]) == (200, 7)
        assert self.ask("/products/9999")[0] == 404

    def test_a_purchase(self):
        """What was put into the cart is paid for at the checkout, once."""
        price = self.ask("/products/7")[1]["price_cents"]
        assert self.ask("/cart", {"sku": 7, "quantity": 2})[0] == 201
        status, order = self.ask("/checkout", {})
        assert (status, order["total_cents"]) == (201, 2 * price)
        assert self.ask("/checkout", {})[0] == 409

    def test_nonsense_is_refused(self):
        """No such product, no such quantity."""
        assert self.ask("/cart", {"sku": 9999})[0] == 404
        assert self.ask("/cart", {"sku": 7, "quantity": 0})[0] == 422


if __name__ == "__main__":
    unittest.main()
