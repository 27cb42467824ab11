"""The API keeps what its OpenAPI document promises: generated requests, real answers, over a real ledger."""

import pytest
import schemathesis
from api_service import Api
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

PATHS = {
    "/matches/byBinding": {"get": "queryByBinding", "post": "queryByLargeBinding"},
    "/matches/byContent": {"post": "uploadFile"},
    "/manifests/{manifestId}": {"get": "getManifestById"},
    "/services/supportedAlgorithms": {"get": "getSupportedBindings"},
}
OPERATIONS = [(method, path) for path, operations in PATHS.items() for method in operations]
OPERATIONS += [("get", "/.well-known/c2pa-soft-binding-resolution"), ("get", "/healthz")]
CASES = [
    pytest.param(method, path, mode, id=f"{method} {path} {mode.value}")
    for method, path in OPERATIONS
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or path.startswith(("/matches", "/manifests"))  # others take nothing
]
CHECKS = [
    *(not_a_server_error, status_code_conformance, negative_data_rejection),
    *(content_type_conformance, response_schema_conformance),
]


def test_paths_and_operations_are_those_of_the_specification(api: Api) -> None:
    document = api().get("/openapi.json").json()
    for path, operations in PATHS.items():
        said = {method: operation["operationId"] for method, operation in document["paths"][path].items()}
        assert said == operations
    assert set(document["paths"]) - set(PATHS) == {"/healthz", "/.well-known/c2pa-soft-binding-resolution"}


@pytest.mark.parametrize(("method", "path", "mode"), CASES)
def test_whatever_is_asked_the_answer_is_one_that_the_document_names(
    api: Api, method: str, path: str, mode: GenerationMode
) -> None:
    app = api(allowed_hosts=[asgi.HOST]).app
    document = schemathesis.openapi.from_asgi("/openapi.json", app)

    @given(document[path][method].as_strategy(generation_mode=mode))
    @settings(
        max_examples=20,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def answers(case: schemathesis.Case) -> None:
        answer = case.call()
        # A refusal for its length (414) is one, though the check does not know that status.
        checks = [
            check for check in CHECKS if answer.status_code != 414 or check is not negative_data_rejection
        ]
        case.validate_response(answer, checks=checks)

    answers()
