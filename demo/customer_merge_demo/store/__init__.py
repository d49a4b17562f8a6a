"""The reference customer store and the sample storefront that owns it."""
