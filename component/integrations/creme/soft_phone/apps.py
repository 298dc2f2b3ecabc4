from django.apps import AppConfig


class SoftPhoneConfig(AppConfig):
    default = True
    name = 'soft_phone'
    verbose_name = 'Phone'
    default_auto_field = 'django.db.models.AutoField'
