from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name='Account',
            fields=[
                ('user_id', models.PositiveIntegerField(primary_key=True, serialize=False)),
                ('number', models.CharField(max_length=64)),
                ('display_name', models.CharField(blank=True, max_length=100)),
                ('secret', models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name='Call',
            fields=[
                ('call_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('user_id', models.PositiveIntegerField()),
                ('seq', models.PositiveIntegerField(default=0)),
                ('activity_id', models.PositiveIntegerField(null=True)),
            ],
        ),
    ]
