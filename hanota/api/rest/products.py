"""REST: the products list, which stands in for the Central Products List."""

from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hanota.api.access import Role
from hanota.api.errors import NotFoundError
from hanota.api.rest.fields import HexField
from hanota.api.rest.routes import CallerOf, Routes
from hanota.dcc.product_entry import ProductEntry
from hanota.duis.inventory import CplStatus, DeviceType

TAG = "products"
_HashField = Annotated[HexField, Field(min_length=32, max_length=32)]
_Code = Annotated[int, Field(ge=0, le=0xFFFF)]


class ProductView(BaseModel):
    """An image, and the devices it may be given to; null or an empty model stands for any."""

    model_config = ConfigDict(extra="forbid")

    manufacturer_image_hash: _HashField
    device_type: DeviceType
    firmware_version: str = Field(pattern="^[0-9A-F]{8}$", description="As in the OTA Header.")
    manufacturer_code: _Code | None = None
    image_type: _Code | None = None
    model: str = Field(default="", max_length=30)
    minimum_hardware_version: _Code | None = None
    maximum_hardware_version: _Code | None = None
    gbcs_version: str | None = Field(default=None, max_length=11, examples=["4.1"])
    status: CplStatus = CplStatus.ACTIVE

    def entry(self) -> ProductEntry:
        """Return the entry; raise ConfigError."""
        return ProductEntry(**dict(self))


class ProductList(BaseModel):
    """The whole list."""

    products: list[ProductView]


def add(routes: Routes) -> None:
    """Add the operations."""
    products = routes.context.products

    def view(entry: ProductEntry) -> ProductView:
        return ProductView(**{name: getattr(entry, name) for name in ProductView.model_fields})

    @routes.get("/products", TAG)
    async def list_products() -> ProductList:
        """List every entry, whatever its status."""
        return ProductList(products=[view(entry) for entry in products.entries()])

    @routes.post("/products", TAG, Role.OPERATOR, status_code=HTTPStatus.CREATED)
    async def put_product(product: ProductView, caller: CallerOf) -> ProductView:
        """Add an entry, or change the one for the same devices and version."""
        entry = product.entry()
        target = f"{entry.device_type} {entry.firmware_version}, {entry.manufacturer_image_hash.hex()}"
        caller.have_done(target, lambda: products.put(entry))
        return view(entry)

    @routes.delete("/products/{manufacturer_image_hash}", TAG, Role.ACTIVATOR)
    async def withdraw_product(manufacturer_image_hash: _HashField, caller: CallerOf) -> ProductList:
        """Withdraw an image: no further device is given it."""
        digest = manufacturer_image_hash
        if not products.find(digest):
            raise NotFoundError(f"no product has the hash {digest.hex()}", hint="GET /api/v1/products")
        withdrawn = caller.have_done(digest.hex(), lambda: products.withdraw(digest))
        return ProductList(products=[view(entry) for entry in withdrawn])
