"""The DUIS gateway: Service Requests posted to three services, each answered with a signed document.

| answer | when |
|---|---|
| 200 | the signed Response: whatever there is to say to who can be told by its RequestID |
| 400 | no document of DUIS, or one without RequestID or Service Reference |
| 408 | the body did not arrive in time |
| 413 | the body is larger than any document |
| 415 | the body is not said to be XML in UTF-8, or is compressed |
| 503 | too much at once, or the store failed: nothing was done, and it may be sent again |
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from hanota.api.bodies import BodyRefusedError, BodyRoom, check_xml, read_body
from hanota.api.gateway_reading import RefusedDocument, read_document
from hanota.dcc.services import Service
from hanota.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hanota.api.context import ApiContext
    from hanota.api.gateway_settings import GatewaySettings
    from hanota.clock import Clock
    from hanota.dcc.submission import Answer, Submission
    from hanota.duis.certificates import SigningCertificates
    from hanota.duis.other_services import OtherServiceReference
    from hanota.duis.request import RequestId, ServiceReference
    from hanota.duis.response_code import ResponseCode

logger = logging.getLogger(__name__)

XML: Final = "application/xml"
_ROLE: Final = "service user"
"""What the audit trail has as the role of a signer: its User Roles are the DCC's to judge."""
_PURPOSES: Final = {
    Service.NON_DEVICE: "Service Requests that the DCC serves itself: 8.2, 11.1, 11.4",
    Service.SEND: "Service Requests that become a command, 8.11 and 11.2, and Signed Pre-Commands, 11.3",
    Service.TRANSFORM: "Critical Service Requests to be returned as Pre-Commands for signature: 11.3",
}


class DuisReceiver(Protocol):
    """The DCC, as the gateway sees it."""

    def receive(self, submission: Submission) -> Answer:
        """Take a Service Request and answer it; raise StoreError alone, with nothing done."""
        ...

    def refuse(
        self,
        code: ResponseCode,
        words: str,
        request_id: RequestId,
        service_reference: ServiceReference | OtherServiceReference,
    ) -> bytes:
        """Return the signed answer to a document that is no Service Request of anybody known."""
        ...


class Gateway:
    """Reads what is posted within its limits, and has the DCC answer it."""

    def __init__(
        self,
        dcc: DuisReceiver,
        certificates: SigningCertificates,
        clock: Clock,
        settings: GatewaySettings,
        audit: Callable[[Submission, Answer], None],
    ) -> None:
        """`audit` notes each Service Request before its answer goes out; it may raise StoreError."""
        self._dcc, self._certificates, self._clock, self._settings = dcc, certificates, clock, settings
        self._audit = audit
        self._room = BodyRoom(
            bodies=settings.documents, octets=settings.octets, retry_after=settings.retry_after
        )

    async def answer(self, request: Request, service: Service) -> Response:
        """Answer one HTTP request."""
        try:
            check_xml(request)
            with self._room.place() as place:
                document = await read_body(
                    request,
                    place,
                    size=self._settings.document.document_size,
                    seconds=self._settings.body_timeout,
                )
                read = await self._read(document, service)
        except BodyRefusedError as error:
            return _plain(error.status, str(error), error.hint, error.retry_after)
        except ClientDisconnect:
            return _plain(HTTPStatus.BAD_REQUEST, "the sender went away")
        try:
            return self._refused(read) if isinstance(read, RefusedDocument) else self._taken(read)
        except StoreError as error:
            logger.error("a Service Request is not answered: %s", error)  # noqa: TRY400  # words suffice
            return _plain(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "nothing can be stored at the moment, and nothing was done",
                f"send it again in {self._settings.retry_after} s",
                self._settings.retry_after,
            )

    async def _read(self, document: bytes, service: Service) -> Submission | RefusedDocument:
        work = partial(
            read_document,
            document,
            service,
            self._certificates,
            now=self._clock.now(),
            limits=self._settings.document,
        )
        if len(document) <= self._settings.inline_size:
            return work()
        return await asyncio.get_running_loop().run_in_executor(None, work)

    def _taken(self, submission: Submission) -> Response:
        answer = self._dcc.receive(submission)
        self._audit(submission, answer)
        return Response(answer.document, media_type=XML)

    def _refused(self, refused: RefusedDocument) -> Response:
        header = refused.header
        if header is None or header.request_id is None or header.service_reference is None:
            return _plain(
                HTTPStatus.BAD_REQUEST,
                refused.words,
                "post a signed Request of DUIS, with RequestID and Service Reference in its Header",
            )
        return Response(
            self._dcc.refuse(refused.code, refused.words, header.request_id, header.service_reference),
            media_type=XML,
        )


def gateway_router(context: ApiContext) -> APIRouter:
    """Return the three services, to be included in the app."""

    def audit(submission: Submission, answer: Answer) -> None:
        context.audit.record(
            str(submission.signer),
            _ROLE,
            str(submission.request.service_reference),
            str(submission.request.request_id),
            str(answer.response.response_code),
        )

    gateway = Gateway(context.dcc, context.certificates, context.clock, context.settings.gateway, audit)
    router = APIRouter(prefix="/api/v1", tags=["DUIS"])
    for service in Service:
        router.add_api_route(
            f"/{service}",
            _endpoint(gateway, service),
            methods=["POST"],
            operation_id=service.value,
            summary=_PURPOSES[service],
            response_class=Response,
            responses=_RESPONSES,
            openapi_extra={
                "requestBody": {"required": True, "content": {XML: {"schema": {"type": "string"}}}}
            },
        )
    return router


def _endpoint(gateway: Gateway, service: Service) -> Callable[[Request], Awaitable[Response]]:
    async def post(request: Request) -> Response:
        return await gateway.answer(request, service)

    return post


_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    HTTPStatus.OK: {
        "description": "The signed DUIS Response.",
        "content": {XML: {"schema": {"type": "string"}}},
    },
    **{
        status: {"description": words, "content": {"text/plain": {"schema": {"type": "string"}}}}
        for status, words in {
            HTTPStatus.BAD_REQUEST: "No DUIS Request with RequestID and Service Reference.",
            HTTPStatus.REQUEST_TIMEOUT: "The body did not arrive in time.",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than any document.",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not XML in UTF-8, or is compressed.",
            HTTPStatus.SERVICE_UNAVAILABLE: "Nothing was done; send it again.",
        }.items()
    },
}


def _plain(
    status: HTTPStatus, words: str, hint: str | None = None, retry_after: int | None = None
) -> Response:
    """Answer in words, and end the connection, on which an unread body may still be arriving."""
    headers = {"Connection": "close"}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return PlainTextResponse(f"{words}\n" + (f"{hint}\n" if hint else ""), status, headers)
