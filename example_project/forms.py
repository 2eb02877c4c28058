"""The form that sets, gets and deletes one value of the session."""

from __future__ import annotations

from django import forms
from django.core.validators import RegexValidator

OF_THE_SITE = frozenset({"asta", "cart"})
"""Keys that the site's own pages use."""


class ValueForm(forms.Form):
    """A name and a value. Names with an underscore in front belong to Django: among them is who is logged in."""

    name = forms.CharField(
        max_length=40,
        validators=[RegexValidator(r"^[A-Za-z][\w-]*\Z", "A name is letters, digits, - and _, a letter first.")],
        error_messages={"required": "Give the value a name."},
    )
    value = forms.CharField(max_length=200, required=False)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name in OF_THE_SITE:
            raise forms.ValidationError(f"“{name}” is used by the site itself; take another name.")
        return name
