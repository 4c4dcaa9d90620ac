"""The party on a whole terminal, with Textual; loaded only where it is shown.

``output`` runs an app beside the party and keeps it up to date; ``apps`` has
the host's and the guest's; ``members``, ``heading``, ``qr_code`` and
``dialogs`` what they are made of; ``fitting`` what there is room for.
"""
