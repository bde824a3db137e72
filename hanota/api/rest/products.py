"""REST: the products list, which stands in for the Central Products List."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from hanota.api.access import Role, check_role
from hanota.api.errors import NotFoundError
from hanota.api.rest.fields import CodeField, HashField
from hanota.api.rest.routes import CallerOf, Routes
from hanota.dcc.product_entry import ProductEntry
from hanota.duis.inventory import CplStatus, DeviceType

TAG = "products"
_Code = Annotated[int, Field(ge=0, le=0xFFFF)]


class ProductView(BaseModel):
    """An image, and the devices it may be given to; null or an empty model stands for any."""

    model_config = ConfigDict(extra="forbid")

    manufacturer_image_hash: HashField
    device_type: DeviceType
    firmware_version: str = Field(pattern="^[0-9A-F]{8}$", description="As in the OTA Header.")
    manufacturer_code: CodeField | None = None
    image_type: CodeField | None = None
    model: str = Field(default="", max_length=30)
    minimum_hardware_version: CodeField | None = None
    maximum_hardware_version: CodeField | None = None
    gbcs_version: str | None = Field(default=None, max_length=11, examples=["4.1"])
    status: CplStatus = CplStatus.ACTIVE

    def entry(self) -> ProductEntry:
        """Return the entry; raise ConfigError."""
        return ProductEntry(**dict(self))


class _Chosen(BaseModel):
    """Which entries of an image; null: whichever. `any`, or an empty model, is that of an entry for any."""

    model_config = ConfigDict(extra="forbid")

    device_type: DeviceType | None = None
    firmware_version: str | None = Field(default=None, pattern="^[0-9A-F]{8}$")
    model: str | None = Field(default=None, max_length=30)
    manufacturer_code: _Code | Literal["any"] | None = None
    image_type: _Code | Literal["any"] | None = None

    def has(self, entry: ProductEntry) -> bool:
        """Tell whether it is one of them."""
        return (
            self.device_type in (None, entry.device_type)
            and self.firmware_version in (None, entry.firmware_version)
            and self.model in (None, entry.model)
            and self.manufacturer_code in (None, _told(entry.manufacturer_code))
            and self.image_type in (None, _told(entry.image_type))
        )


def _told(code: int | None) -> int | str:
    return "any" if code is None else code


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

    def found(digest: bytes, chosen: _Chosen) -> list[ProductEntry]:
        entries = [entry for entry in products.find(digest) if chosen.has(entry)]
        if not entries:
            raise NotFoundError(
                f"no such product has the hash {digest.hex()}", hint="GET /api/v1/products lists them"
            )
        return entries

    @routes.post("/products", TAG, Role.OPERATOR, status_code=HTTPStatus.CREATED)
    async def put_product(product: ProductView, caller: CallerOf) -> ProductView:
        """Add an entry, or change the one for the same devices and version.

        One that is not Active is for an activator, since it may withdraw one that is.
        """
        if product.status is not CplStatus.ACTIVE:
            check_role(caller.principal, Role.ACTIVATOR)
        entry = product.entry()
        target = f"{entry.device_type} {entry.firmware_version}, {entry.manufacturer_image_hash.hex()}"
        caller.have_done(target, lambda: products.put(entry))
        return view(entry)

    @routes.post("/products/{manufacturer_image_hash}/withdraw", TAG, Role.ACTIVATOR, size=0)
    async def withdraw_product(manufacturer_image_hash: HashField, caller: CallerOf) -> ProductList:
        """Withdraw an image: no further device is given it, and the list goes on naming it."""
        digest = manufacturer_image_hash
        found(digest, _Chosen())
        withdrawn = caller.have_done(digest.hex(), lambda: products.withdraw(digest))
        return ProductList(products=[view(entry) for entry in withdrawn])

    @routes.delete("/products/{manufacturer_image_hash}", TAG, Role.ACTIVATOR)
    async def remove_product(
        manufacturer_image_hash: HashField, caller: CallerOf, chosen: Annotated[_Chosen, Query()]
    ) -> ProductList:
        """Remove a slip from the list: all entries of an image, or those chosen; tell which.

        The settings' entries are back at the next start. A type without an entry is not restricted any more.
        """
        entries = found(manufacturer_image_hash, chosen)
        told = "; ".join(
            f"{entry.device_type} {entry.firmware_version} {entry.model}".rstrip() for entry in entries
        )
        target = f"{manufacturer_image_hash.hex()}: {told}"
        caller.have_done(target, lambda: products.remove(entries))
        return ProductList(products=[view(entry) for entry in entries])
