"""How a REST operation is served: who may have it, how long its body may be, and what the audit trail has."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from json import JSONDecodeError
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from hanota.api.access import STRANGER, AccessRefusedError, Principal, Role, check_role
from hanota.api.bodies import BodyRefusedError, BodyRoom, read_body
from hanota.api.client_certificate import client_certificate
from hanota.api.context import ApiContext
from hanota.api.errors import describe
from hanota.dcc.submission import Answer
from hanota.errors import HanotaError, StoreError
from hanota.ota.pacing import TokenBucket

PREFIX: Final = "/api/v1"
_T = TypeVar("_T")
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


class ErrorBody(BaseModel):
    """What every answer that is not 2xx has."""

    error: str = Field(description="What is wrong.")
    hint: str | None = Field(description="What to do about it.")
    code: str | None = Field(description="The DUIS Response Code where a Service Request was rejected.")


_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorBody, "description": words}
    for status, words in {
        HTTPStatus.UNAUTHORIZED: "No token or an unknown one, and no certificate that names anybody.",
        HTTPStatus.FORBIDDEN: "The role does not suffice.",
        HTTPStatus.NOT_FOUND: "There is no such thing.",
        HTTPStatus.REQUEST_TIMEOUT: "The body did not arrive in time.",
        HTTPStatus.CONFLICT: "Not as things stand.",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
        HTTPStatus.UNPROCESSABLE_ENTITY: "The request is wrong, or the DCC rejects it.",
        HTTPStatus.TOO_MANY_REQUESTS: "Too many failed attempts.",
        HTTPStatus.SERVICE_UNAVAILABLE: "Not at the moment: nothing was done.",
    }.items()
}
_BEARER: Final = HTTPBearer(
    auto_error=False,
    description="A token; its role says what it is good for. A client whose certificate names it needs none.",
)


class Caller:
    """Who asks for an operation, and the operation's name."""

    def __init__(self, context: ApiContext, operation: str, principal: Principal) -> None:
        self._context, self._operation = context, operation
        self.principal = principal
        self._recorded = False

    def have_done(
        self, target: str, effect: Callable[[], _T], outcome: Callable[[_T], str] = lambda _: "done"
    ) -> _T:
        """Have an effect and its row of the audit trail kept together, or the row of its refusal."""
        refusals: list[HanotaError] = []
        try:
            with self._context.journal.transaction():
                try:
                    result = effect()
                except StoreError:
                    raise
                except HanotaError as error:
                    # Not raised in here: what the DCC has stored of its rejection is kept.
                    refusals.append(error)
                    self._record(target, _refused(error))
                else:
                    self._record(target, outcome(result))
                    return result
        except StoreError:
            if not refusals:
                raise
            # What was refused had failed the transaction, so its row needs one of its own.
            self._record(target, _refused(refusals[0]))
        raise refusals[0]

    def have_asked(
        self, target: str, effect: Callable[[], _T], outcome: Callable[[_T], str] = lambda _: "done"
    ) -> _T:
        """Have the DCC take a Service Request: a row before it and one with its outcome after it.

        The DCC's transactions are its own, since one that fails may be followed by another way.
        """
        self._record(target, "begun")
        try:
            result = effect()
        except StoreError:
            raise
        except HanotaError as error:
            self._record(target, _refused(error))
            raise
        self._record(target, outcome(result))
        return result

    def refused(self, target: str, reason: str) -> None:
        """Note a request that was refused before it came to an effect."""
        if not self._recorded:
            self._record(target, f"refused: {reason}")

    def _record(self, target: str, outcome: str) -> None:
        principal = self.principal
        self._context.audit.record(principal.actor, str(principal.role), self._operation, target, outcome)
        self._recorded = True


class BoundedRequest(Request):
    """A request whose body was read within its limits."""

    def __init__(self, request: Request, octets: bytes) -> None:
        super().__init__(request.scope, request.receive)
        self._octets = octets

    async def body(self) -> bytes:
        """Return the body."""
        return self._octets

    async def json(self) -> Any:
        """Return the body read as JSON; raise JSONDecodeError, which is told as any other fault of it."""
        try:
            return await super().json()
        except (UnicodeDecodeError, RecursionError) as error:
            raise JSONDecodeError(f"no JSON: {type(error).__name__}", "", 0) from None


class Routes:
    """The router of REST; each operation is named after its function, and documented by its docstring."""

    def __init__(self, context: ApiContext) -> None:
        self.context = context
        self.router = APIRouter(prefix=PREFIX, dependencies=[Security(_BEARER)])
        settings = context.settings
        self._room = BodyRoom(
            bodies=settings.bodies, octets=settings.bodies_octets, retry_after=settings.retry_after
        )
        self._strangers = TokenBucket(
            settings.audit_refusals_per_second, settings.audit_refusals_burst, context.clock.now()
        )

    def get(
        self, path: str, tag: str, role: Role = Role.OBSERVER, **more: Any
    ) -> Callable[[_Endpoint], _Endpoint]:
        """Add an operation that changes nothing."""
        return self._add("GET", path, tag, role, size=0, audited=False, **more)

    def post(
        self,
        path: str,
        tag: str,
        role: Role,
        *,
        size: int | None = None,
        audited: bool = True,
        **more: Any,
    ) -> Callable[[_Endpoint], _Endpoint]:
        """Add an operation with a body of at most `size` octets, by default that of a JSON body."""
        size = self.context.settings.body_octets if size is None else size
        return self._add("POST", path, tag, role, size=size, audited=audited, **more)

    def put(self, path: str, tag: str, role: Role, **more: Any) -> Callable[[_Endpoint], _Endpoint]:
        """Add an operation that says how something is, in a JSON body."""
        return self._add("PUT", path, tag, role, size=self.context.settings.body_octets, audited=True, **more)

    def delete(self, path: str, tag: str, role: Role, **more: Any) -> Callable[[_Endpoint], _Endpoint]:
        """Add an operation that takes something away."""
        return self._add("DELETE", path, tag, role, size=0, audited=True, **more)

    def _add(
        self, method: str, path: str, tag: str, role: Role, *, size: int, audited: bool, **more: Any
    ) -> Callable[[_Endpoint], _Endpoint]:
        def add(endpoint: _Endpoint) -> _Endpoint:
            name = endpoint.__name__
            extra = {"x-role": str(role), **more.pop("openapi_extra", {})}
            self.router.add_api_route(
                path,
                endpoint,
                methods=[method],
                tags=[tag],
                operation_id=name,
                summary=name.replace("_", " ").capitalize(),
                responses={**_ERRORS, **more.pop("responses", {})},
                openapi_extra=extra,
                route_class_override=self._route_class(name, role, size=size, audited=audited),
                **more,
            )
            return endpoint

        return add

    def _route_class(self, operation: str, role: Role, *, size: int, audited: bool) -> type[APIRoute]:
        routes = self

        class GuardedRoute(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                handle = super().get_route_handler()

                async def guarded(request: Request) -> Response:
                    caller = routes._admit(request, operation, role, audited=audited)
                    request.state.caller = caller
                    try:
                        return await routes._handle(request, handle, size)
                    except (HanotaError, RequestValidationError) as error:
                        if audited and not isinstance(error, StoreError):
                            caller.refused(request.url.path, _words(error))
                        raise

                return guarded

        return GuardedRoute

    def _admit(self, request: Request, operation: str, role: Role, *, audited: bool) -> Caller:
        """Return who asks, before anything of the body is read; raise AccessRefusedError."""
        context = self.context
        try:
            principal = context.access.principal_of(request)
        except AccessRefusedError as error:
            if audited and self._strangers.take(context.clock.now()):
                target = f"{request.url.path} from {_origin(request)}"
                context.audit.record(STRANGER, "", operation, target, f"refused: {error}")
            raise
        caller = Caller(context, operation, principal)
        try:
            check_role(principal, role)
        except AccessRefusedError as error:
            if audited:
                caller.refused(request.url.path, str(error))
            raise
        return caller

    async def _handle(
        self, request: Request, handle: Callable[[Request], Coroutine[Any, Any, Response]], size: int
    ) -> Response:
        if not size:
            return await handle(BoundedRequest(request, b""))
        with self._room.place() as place:
            try:
                octets = await read_body(
                    request, place, size=size, seconds=self.context.settings.body_timeout
                )
            except BodyRefusedError as error:
                if error.status is not HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                    raise
                words = f"the body has more than {size} octets"
                raise BodyRefusedError(words, error.status, hint="see the settings of [api]") from None
            except ClientDisconnect:
                raise BodyRefusedError("the client went away", HTTPStatus.BAD_REQUEST) from None
            return await handle(BoundedRequest(request, octets))


async def _caller(request: Request) -> Caller:  # a coroutine, or FastAPI has a thread do it
    caller = request.state.caller
    if not isinstance(caller, Caller):
        raise TypeError("an operation outside of Routes")
    return caller


CallerOf = Annotated[Caller, Depends(_caller)]
"""What an operation takes to know who asks."""


def response_code(answer: Answer) -> str:
    """Return the DCC's Response Code."""
    return str(answer.response.response_code)


def _origin(request: Request) -> str:
    """Return from where a request of nobody known comes."""
    address = "" if request.client is None else request.client.host
    certificate = client_certificate(request.scope)
    return address if certificate is None else f"{address} with the certificate {certificate.subject}"


def _refused(error: HanotaError) -> str:
    code = getattr(error, "code", None)
    return f"refused: {error}" if code is None else f"refused {code}: {error}"


def _words(error: HanotaError | RequestValidationError) -> str:
    return describe(error) if isinstance(error, RequestValidationError) else str(error)
