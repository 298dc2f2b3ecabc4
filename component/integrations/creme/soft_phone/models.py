"""What Creme has no place for: SIP accounts, and which call is which activity."""

from django.db import models


class Account(models.Model):
    """A user's SIP account. The secret is encrypted with a key of Django's settings, see `secrets`."""

    user_id = models.PositiveIntegerField(primary_key=True)
    number = models.CharField(max_length=64)
    display_name = models.CharField(max_length=100, blank=True)
    secret = models.TextField()


class Call(models.Model):
    """The call that an activity stands for, and the number of the last event that was taken.

    No foreign keys: Creme asks its users what becomes of everything that points to a record which they delete.
    """

    call_id = models.CharField(max_length=64, primary_key=True)
    user_id = models.PositiveIntegerField()
    seq = models.PositiveIntegerField(default=0)
    activity_id = models.PositiveIntegerField(null=True)
