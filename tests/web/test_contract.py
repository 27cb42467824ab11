"""The API keeps what its OpenAPI document promises, whatever is asked: generated requests, real answers."""

import pytest
import schemathesis
from api_service import Api, Recorded
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

PATHS = {
    "/matches/byBinding": {"get": "queryByBinding", "post": "queryByLargeBinding"},
    "/matches/byContent": {"post": "uploadFile"},
    "/manifests/{manifestId}": {"get": "getManifestById"},
    "/services/supportedAlgorithms": {"get": "getSupportedBindings"},
}


def test_paths_and_operations_are_those_of_the_specification(api: Api) -> None:
    document = api().get("/openapi.json").json()
    for path, operations in PATHS.items():
        said = {method: operation["operationId"] for method, operation in document["paths"][path].items()}
        assert said == operations
    assert set(document["paths"]) - set(PATHS) == {"/healthz", "/.well-known/c2pa-soft-binding-resolution"}


@pytest.mark.filterwarnings("default")
def test_whatever_is_asked_the_answer_is_one_that_the_document_names(api: Api, recorded: Recorded) -> None:
    client = api()
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    checks = [
        *(not_a_server_error, status_code_conformance),
        *(content_type_conformance, response_schema_conformance),
    ]
    tried = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        tried.add((operation.method, operation.path))

        @settings(
            max_examples=25,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def answers_as_documented(case: schemathesis.Case) -> None:
            answer = client.request(
                case.method, case.formatted_path, params=case.query or None, **body_of(case)
            )
            case.validate_response(schemathesis.Response.from_any(answer), checks=checks)

        schemathesis_test(operation, answers_as_documented)
    assert len(tried) == 7
