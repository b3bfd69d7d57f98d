# SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Amazon's services say, as our errors: the same for each of them."""

from __future__ import annotations

import botocore.exceptions
import pytest
from ansible_collections.evenkeel.ops.plugins.module_utils.adapters.amazon import translated
from ansible_collections.evenkeel.ops.plugins.module_utils.core.errors import AccessDenied, CommandFailed, NotFound, OpsError, Unreachable


def asked(error: Exception) -> OpsError:
    """The error that a question to a service ends with."""
    known = {"NoSuchZone": (NotFound, "There is no such zone", "Correct it")}
    with pytest.raises(OpsError) as caught, translated("CloudWatch", "cloudwatch", rights="cloudwatch:GetMetricData", known=known):
        raise error
    return caught.value


def said(code: str) -> Exception:
    return botocore.exceptions.ClientError({"Error": {"Code": code, "Message": "it says why"}}, "GetMetricData")


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken",
                                  "ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException"])
def test_credentials_that_may_not_are_told_with_the_right_that_they_need(code):
    error = asked(said(code))
    assert isinstance(error, AccessDenied) and "it says why" in error.message and "cloudwatch:GetMetricData" in error.hint
    assert error.evidence["code"] == code


@pytest.mark.parametrize("code", ["InvalidNextToken", "Throttling", "InternalFailure", ""])
def test_what_has_nothing_to_do_with_credentials_is_no_refusal(code):
    assert isinstance(asked(said(code)), CommandFailed)


def test_a_code_that_the_service_explains_is_told_in_its_words():
    error = asked(said("NoSuchZone"))
    assert isinstance(error, NotFound) and error.message == "There is no such zone: it says why" and error.hint == "Correct it"


def test_credentials_that_are_not_there_are_asked_for():
    error = asked(botocore.exceptions.NoCredentialsError())
    assert isinstance(error, AccessDenied) and "cloudwatch.access_key" in error.hint


def test_no_answer_is_no_refusal():
    error = asked(botocore.exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:1"))
    assert isinstance(error, Unreachable) and "cloudwatch.endpoint_url" in error.hint
