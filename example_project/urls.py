"""The addresses of the demo site."""

from __future__ import annotations

from django.urls import path

from example_project import views

urlpatterns = [
    path("", views.home, name="home"),
    path("counter/", views.CounterView.as_view(), name="counter"),
    path("values/", views.values, name="values"),
    path("cart/", views.cart_line, name="cart"),
    path("regenerate/", views.regenerate, name="regenerate"),
    path("destroy/", views.destroy, name="destroy"),
    path("login/", views.log_in, name="login"),
    path("logout/", views.log_out, name="logout"),
    path("race/", views.race, name="race"),
    path("late-save/", views.late_save, name="late-save"),
]
