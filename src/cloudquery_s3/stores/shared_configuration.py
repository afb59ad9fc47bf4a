"""What environment and shared files say of AWS, without what botocore imports to make clients."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.configloader import load_config, raw_config_parse
from botocore.configprovider import ConfigChainFactory, ConfigValueStore, create_botocore_default_config_mapping
from botocore.exceptions import ConfigNotFound, ProfileNotFound
from botocore.loaders import create_loader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from botocore.loaders import Loader


class SharedConfiguration:
    """Reads configuration as `botocore.session.Session` does, by the same parts of botocore, and imports no more.

    A session's module brings the makers of clients, of their documentation and of their waiters: 3 MB and a twentieth
    of the start-up, for syncs whose keys are in the environment.

    Source: botocore.session, which a test compares with.
    """

    def __init__(self, given: Mapping[str, str], *, profile_variables: Sequence[str]) -> None:
        """Read nothing yet.

        Args:
            given: values that count before environment and files, by botocore's names for them.
            profile_variables: the environment variables that name the profile; the first that is set counts.
        """
        self._given = dict(given)
        reader: Any = self  # botocore's types want a whole session, and its code the three methods below
        chains = ConfigChainFactory(session=reader)
        self._store = ConfigValueStore(create_botocore_default_config_mapping(reader))
        names: Any = list(profile_variables)
        self._store.set_config_provider(
            "profile", chains.create_config_chain(instance_name="profile", env_var_names=names)
        )

    def instance_variables(self) -> dict[str, str]:
        """Return the values that count before environment and files."""
        return copy.copy(self._given)

    def get_config_variable(self, name: str) -> Any:
        """Return a value: one given, or else of the environment, the profile, botocore's default.

        Raises:
            BotoCoreError: a shared file cannot be parsed, or there is no such profile.
            ValueError: a number is none.
        """
        return self._store.get_config_variable(name)

    def get_scoped_config(self) -> dict[str, Any]:
        """Return what the files say of the profile.

        Raises:
            BotoCoreError: a shared file cannot be parsed, or there is no such profile.
        """
        name, profiles = self.get_config_variable("profile"), self.full_config["profiles"]
        if name is not None and name not in profiles:
            raise ProfileNotFound(profile=name)
        found: dict[str, Any] = profiles.get("default" if name is None else name, {})
        return found

    @cached_property
    def full_config(self) -> dict[str, Any]:
        """Both files, parsed; what the credentials file says of a profile counts before the other.

        Raises:
            BotoCoreError: one cannot be parsed.
        """
        try:
            config: dict[str, Any] = load_config(self.get_config_variable("config_file"))
        except ConfigNotFound:
            config = {"profiles": {}}
        try:
            secrets: Any = raw_config_parse(self.get_config_variable("credentials_file"))
        except ConfigNotFound:
            return config
        for name, values in secrets.items():
            config["profiles"].setdefault(name, {}).update(values)
        return config

    def new_loader(self) -> Loader:
        """Return what finds the documents that botocore ships, and those in AWS_DATA_PATH; it keeps them."""
        return create_loader(self.get_config_variable("data_path"))
